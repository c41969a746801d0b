"""No byte of a secret comes out, however its output is cut; and nothing but secrets goes."""

from base64 import b64encode

from django.test import SimpleTestCase, tag
from hypothesis import example, given, settings
from hypothesis import strategies as st

from buildboard.terminal.forms import LEAST, PIECE, patterns
from buildboard.terminal.mask import MASK, Masker, Patterns

TOKEN = "ghp_x7Qz/9+Wk2'Rm\"4 tLs"
KEY = (
    "-----BEGIN KEY-----\n" + "\n".join(f"{number:02}qPzR7vXcT1mW" * 4 for number in range(6)) + "\n-----END KEY-----\n"
)

# Few letters, so that secrets overlap, repeat and begin within each other.
letters = st.text("ab", min_size=LEAST, max_size=40)
outputs = st.lists(st.one_of(letters, st.text("abc\n", max_size=12)), max_size=12).map(
    lambda each: "".join(each).encode()
)


def whole(known: Patterns, data: bytes) -> bytes:
    masker = Masker(known)
    return masker.feed(data) + masker.close()


def naive(forms: set[bytes], data: bytes) -> bytes:
    """Every byte of every occurrence, one by one."""
    gone = [False] * len(data)
    for form in forms:
        for at in range(len(data) - len(form) + 1):
            if data.startswith(form, at):
                gone[at : at + len(form)] = [True] * len(form)
    parts = [
        MASK.encode() if gone[at] else data[at : at + 1]
        for at in range(len(data))
        if not (gone[at] and at and gone[at - 1])
    ]
    return b"".join(parts)


@tag("fast")
class MaskerTests(SimpleTestCase):
    def test_a_secret_cut_at_any_byte_is_gone(self) -> None:
        for secret in (TOKEN, KEY, "grüße €uro"):
            known = Patterns([secret])
            for form in sorted(patterns(secret)):
                data = b"before " + form + b" after\n"
                for cut in range(len(data)):
                    masker = Masker(known)
                    told = [masker.feed(data[:cut]), masker.feed(data[cut:]), masker.close()]
                    self.assertEqual(b"".join(told), b"before *** after\n")
                    self.assertNotIn(form[:LEAST], told[0])

    def test_byte_by_byte_nothing_of_it_is_told_before_it_is_ruled_out(self) -> None:
        masker = Masker(Patterns(["secret-token"]))
        told = [masker.feed(bytes([byte])) for byte in b"a secret-tok? secret-token."]
        self.assertEqual(b"".join(told), b"a secret-tok? ***.")
        self.assertEqual(told[:14], [b"a", b" ", *[b""] * 10, b"secret-tok?", b" "])

    def test_what_is_held_at_the_end_is_told_at_the_end(self) -> None:
        masker = Masker(Patterns(["secret-token"]))
        self.assertEqual((masker.feed(b"a secret-tok"), masker.close()), (b"a ", b"secret-tok"))

    def test_after_an_end_something_else_begins(self) -> None:
        masker = Masker(Patterns(["secret-token"]))
        self.assertEqual(
            [masker.feed(b"secret-token"), masker.close(), masker.feed(b"secret-token")], [b"***", b"", b"***"]
        )
        self.assertEqual((masker.feed(b"sec"), masker.close(), masker.feed(b"ret-token")), (b"", b"sec", b"ret-token"))

    def test_where_secrets_overlap_all_are_gone(self) -> None:
        known = Patterns(["abcdef", "efghij", "cdef"])
        self.assertEqual(whole(known, b"<abcdefghij> <cdefghij> <abcdefcdef>"), b"<***> <***> <***>")

    @given(st.lists(letters, max_size=4), outputs, st.data())
    @settings(max_examples=100, deadline=None)
    def test_any_cutting_is_the_same_as_none(self, secrets: list[str], data: bytes, draw: st.DataObject) -> None:
        known = Patterns(secrets)
        forms = {form for secret in secrets for form in patterns(secret)}
        expected = naive(forms, data)
        self.assertEqual(whole(known, data), expected)
        masker = Masker(known)
        told, at = b"", 0
        while at < len(data):
            size = draw.draw(st.integers(0, 9))
            told += masker.feed(data[at : at + size])
            self.assertTrue(expected.startswith(told))
            self.assertLess(len(masker._held), PIECE)
            at += size
        self.assertEqual(told + masker.close(), expected)

    @given(st.lists(st.text(min_size=LEAST, max_size=150), max_size=3), st.binary(max_size=80), st.data())
    @settings(max_examples=60, deadline=None)
    def test_of_any_text_as_a_secret(self, secrets: list[str], noise: bytes, draw: st.DataObject) -> None:
        known = Patterns(secrets)
        forms = {form for secret in secrets for form in patterns(secret)}
        data = noise
        for form in sorted(forms)[:20]:
            data += form + noise[: draw.draw(st.integers(0, 9))]
        told = whole(known, data)
        self.assertEqual(told, naive(forms, data))
        masker = Masker(known)
        self.assertEqual(b"".join([masker.feed(bytes([byte])) for byte in data]) + masker.close(), told)

    def test_many_patterns_and_long_ones_are_found(self) -> None:
        secrets = [f"{number}x{number * 7919}y{number * 104729}z" for number in range(100, 400)]
        known = Patterns([*secrets, KEY])
        text = "\n".join(f"{number}: {secret} -" for number, secret in enumerate(secrets))
        told = whole(known, (text + KEY).encode()).decode()
        self.assertEqual(told[: len("0: *** -\n1: *** -")], "0: *** -\n1: *** -")
        self.assertFalse([secret for secret in secrets if secret in told])
        self.assertEqual(told.count("***"), 300 + KEY.count("\n"))

    def test_what_is_added_is_gone_from_then_on(self) -> None:
        known = Patterns()
        masker = Masker(known)
        self.assertEqual(masker.feed(b"later-secret "), b"later-secret ")
        self.assertTrue(known.add("later-secret"))
        self.assertEqual(masker.feed(b"later-secret "), b"*** ")

    def test_what_is_too_short_is_not_looked_for(self) -> None:
        known = Patterns()
        for short in ("", "abc", "a\nbc\n\ndef", "äa"):
            self.assertFalse(known.add(short), short)
        self.assertEqual((len(known), known.add("äbc\n")), (0, True))


@tag("fast")
class FormsTests(SimpleTestCase):
    def assert_gone(self, secret: str, written: str, *parts: str) -> None:
        """Nothing of it is left but what is named: `parts`."""
        told = whole(Patterns([secret]), f"<{written}>".encode()).decode()
        self.assertIn(
            told.replace(MASK, "").replace("\r", "").replace("\n", ""),
            {"<>", *(f"<{part}>" for part in parts)},
            written,
        )

    def test_as_programs_write_it(self) -> None:
        for written in (
            TOKEN,
            r"ghp_x7Qz/9+Wk2'Rm\"4 tLs",  # JSON
            r"ghp_x7Qz\/9+Wk2'Rm\"4 tLs",  # JSON of PHP
            "ghp_x7Qz%2F9%2BWk2%27Rm%224%20tLs",
            "ghp_x7Qz%2f9%2bWk2%27Rm%224%20tLs",
            "ghp_x7Qz%2F9%2BWk2%27Rm%224+tLs",
            "ghp_x7Qz/9%2BWk2%27Rm%224%20tLs",
            "ghp_x7Qz%2F9%2BWk2'Rm%224%20tLs",  # encodeURIComponent
            "ghp_x7Qz/9+Wk2'Rm%224%20tLs",  # encodeURI
            "ghp_x7Qz/9+Wk2&#x27;Rm&quot;4 tLs",
            "ghp_x7Qz/9+Wk2&#39;Rm&#34;4 tLs",
            """ghp_x7Qz/9+Wk2'\\''Rm"4 tLs""",  # sh -x
            """ghp_x7Qz/9+Wk2'"'"'Rm"4 tLs""",  # shlex.quote
            r"ghp_x7Qz/9+Wk2\'Rm\"4\ tLs",  # printf %q
            r"ghp_x7Qz/9+Wk2'Rm\"4 tLs",
            repr(TOKEN)[1:-1],
        ):
            self.assert_gone(TOKEN, written)

    def test_base64_at_any_place(self) -> None:
        for before in (b"", b"u", b"us", b"user:"):
            for after in (b"", b"\n", b"@host/path"):
                for altchars in (None, b"-_"):
                    text = b64encode(before + TOKEN.encode() + after, altchars).decode()
                    told = whole(Patterns([TOKEN]), text.encode()).decode()
                    self.assertIn(MASK, told)
                    if not before and after in (b"", b"\n"):
                        self.assertEqual(told.rstrip("=g"), MASK, "a line feed alone is Cg")
                    alone = b64encode(before + bytes(len(TOKEN)) + after).decode()
                    self.assertLessEqual(len(told), len(alone) - len(TOKEN) + 8, "at the edges a few bits")

    def test_each_line_of_several(self) -> None:
        for written in (
            KEY,
            KEY.replace("\n", "\r\n"),
            *KEY.splitlines(),
            KEY.replace("\n", "\\n"),
            KEY.replace("\n", "\\r\\n"),
            KEY.replace("\n", "%0A"),
        ):
            self.assert_gone(KEY, written, "\\n", "\\r\\n", "%0A")
        self.assertNotIn("qPzR", whole(Patterns([KEY]), KEY.replace("\n", " ").encode()).decode())

    def test_base64_in_lines(self) -> None:
        for width in (64, 76):
            text = b64encode(KEY.encode()).decode()
            lines = [text[at : at + width] for at in range(0, len(text), width)]
            told = whole(Patterns([KEY]), "\n".join(lines).encode()).decode().split("\n")
            self.assertEqual(told[:-1], [MASK] * (len(lines) - 1))
            self.assertTrue(told[-1].startswith(MASK) and len(told[-1]) < 12, told[-1])

    def test_a_line_too_short_to_be_looked_for_is_left(self) -> None:
        self.assertEqual(whole(Patterns(["{\nlong-enough\n}"]), b"{ long-enough }"), b"{ *** }")

    def test_a_part_of_a_long_one_is_gone(self) -> None:
        line = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_" * 2
        told = whole(Patterns([line]), f"<{line[:70]}>".encode()).decode()
        self.assertEqual(told, f"<***{line[64:70]}>")

    @settings(deadline=None)
    @given(st.text(max_size=300))
    @example("\ud800" * 8)
    @example("ä" * 100)
    @example("€" * 64)
    @example("0\u0161" * 43 + "€" * 50)
    def test_patterns_are_bounded_and_of_one_line(self, secret: str) -> None:
        for pattern in patterns(secret):
            self.assertTrue(LEAST <= len(pattern) <= PIECE)
            self.assertNotIn(b"\n", pattern)
            self.assertNotIn(b"\r", pattern)
