"""Output as a terminal shows it: bytes → lines, and stored lines → a terminal again. Standard library only.

Workers read their steps with it, and the command-line client, which has no Django, reads and shows builds with it.

    style.py    colours and links as values
    canvas.py   one line, on which a terminal overwrites
    lines.py    bytes → whole, bounded, self-contained lines
    forms.py    the ways in which a secret is written
    mask.py     bytes → bytes without secrets
    masks.py    the secrets of a build: out of its bytes, and out of its lines
    replay.py   a build's events → lines and headers
"""
