"""The terminal's colours 16 to 255, each shifted until it can be read on the page, light and dark: what
`static/builds/palette.css` has (a test holds the file to `css()`). Pure.

Numbers and levels are xterm's: 16–231 a cube of 6 × 6 × 6, 232–255 greys. Contrast is WCAG 2's.
"""

LEVELS = (0, 95, 135, 175, 215, 255)
SURFACES = {"light": (0xDC, 0xE7, 0xF8), "dark": (0x1D, 0x26, 0x33)}
"""The grounds of a line that are hardest to read on: those of a picked one and its neighbours, a bit further still."""
CONTRAST = 4.5

Colour = tuple[int, int, int]


def colour(number: int) -> Colour:
    """Of 16 to 255."""
    if number >= 232:
        grey = (number - 232) * 10 + 8
        return grey, grey, grey
    cube = number - 16
    return LEVELS[cube // 36], LEVELS[cube // 6 % 6], LEVELS[cube % 6]


def nearest(red: int, green: int, blue: int) -> int:
    """16 to 255: the cube's or the grey that is nearest to a true colour; the cube's where both are as near."""
    at = [_level(value) for value in (red, green, blue)]
    cube = 16 + 36 * at[0] + 6 * at[1] + at[2]
    grey = 232 + min(max(((red + green + blue) // 3 - 3) // 10, 0), 23)
    return min((cube, grey), key=lambda number: _apart(colour(number), (red, green, blue)))


def _level(value: int) -> int:
    return 0 if value < 48 else 1 if value < 115 else (value - 35) // 40


def _apart(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def contrast(one: Colour, other: Colour) -> float:
    """1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(shade: Colour) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in (v / 255 for v in shade)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def readable(shade: Colour, theme: str) -> Colour:
    """The colour itself, or as much darker (lighter) as it takes."""
    ground = SURFACES[theme]
    goal = 0 if theme == "light" else 255
    for step in range(101):
        found = tuple(round(value + (goal - value) * step / 100) for value in shade)
        if contrast(found, ground) >= CONTRAST:  # type: ignore[arg-type]
            return found  # type: ignore[return-value]
    raise AssertionError(shade)


def css() -> str:
    numbers = range(16, 256)
    rules = [
        "/* Colours 16 to 255 of a terminal, each readable on the page: made by builds/web/palette.py. */",
        ", ".join(f".b{number}" for number in numbers)
        + " { background: color-mix(in srgb, var(--ground) 20%, transparent); }",
    ]
    for number in numbers:
        both = f"light-dark({_hex(readable(colour(number), 'light'))}, {_hex(readable(colour(number), 'dark'))})"
        rules.append(f".c{number} {{ color: {both}; }} .b{number} {{ --ground: {both}; }}")
    return "\n".join(rules) + "\n"


def _hex(shade: Colour) -> str:
    return "#" + "".join(f"{value:02x}" for value in shade)
