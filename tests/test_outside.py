"""The board's own address, a mail server, networks: from texts of the environment, or refused by name."""

from django.core.exceptions import ImproperlyConfigured
from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from buildboard.outside import Mail, board_url, mail, networks, sender


@tag("fast")
class OutsideTest(SimpleTestCase):
    def test_the_boards_own_address(self) -> None:
        for text, origins, found in (
            ("", [], ""),
            ("https://board.example/", [], "https://board.example"),
            ("https://x.example/board/", [], "https://x.example/board"),
            ("", ["https://*.example", "https://b.example"], "https://b.example"),
            ("http://10.0.0.1:8000", ["https://b.example"], "http://10.0.0.1:8000"),
        ):
            self.assertEqual(board_url(text, origins), found)
        for wrong in ("board.example", "ftp://x", "https://", "https://x/?a", "https://x y/", "https://x:99999"):
            with self.assertRaisesRegex(ImproperlyConfigured, "^BUILDBOARD_URL="):
                board_url(wrong, [])

    def test_networks(self) -> None:
        self.assertEqual(networks([]), [])
        self.assertEqual(networks(["1"]), ["0.0.0.0/0", "::/0"])
        self.assertEqual(networks(["10.0.0.0/8", "fd00::/8", "127.0.0.1"]), ["10.0.0.0/8", "fd00::/8", "127.0.0.1"])
        for wrong in ("yes", "10.0.0.1/8", "example.org"):
            with self.assertRaisesRegex(ImproperlyConfigured, "^BUILDBOARD_OUTBOX_ALLOW_PRIVATE="):
                networks([wrong])

    def test_a_mail_server(self) -> None:
        self.assertEqual(mail(""), Mail())
        self.assertEqual(mail("smtp://mail.example"), Mail("mail.example", 25))
        self.assertEqual(
            mail("submission://me%40x:p%2Fw@mail.example"), Mail("mail.example", 587, "me@x", "p/w", True, False)
        )
        self.assertEqual(mail("smtps://mail.example:1465"), Mail("mail.example", 1465, "", "", False, True))
        for wrong in (
            "mail.example",
            "imap://x",
            "smtp://",
            "smtps://u:secret-word@h/path",
            "smtp://u:secret-word@h:p",
        ):
            with self.assertRaisesRegex(ImproperlyConfigured, "^EMAIL_URL: expected smtp://") as caught:
                mail(wrong)
            self.assertNotIn("secret-word", str(caught.exception))

    def test_whom_letters_are_from(self) -> None:
        self.assertEqual(sender("", ""), "Buildboard <buildboard@localhost>")
        self.assertEqual(sender("", "https://b.example"), "Buildboard <buildboard@b.example>")
        self.assertEqual(sender("a@b.example", ""), "a@b.example")
        with self.assertRaisesRegex(ImproperlyConfigured, "^EMAIL_FROM="):
            sender("nobody", "")

    @settings(deadline=None)
    @given(st.text(max_size=60))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        for read in (lambda text: board_url(text, []), mail, lambda text: networks([text]), lambda t: sender(t, "")):
            try:
                read(text)
            except ImproperlyConfigured:
                continue
