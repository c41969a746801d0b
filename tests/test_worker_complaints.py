from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.worker.complaints import explain, is_broken

SAID = {
    "remote: Not Found.\nfatal: repository 'https://git.example/x/' not found\n": "repository does not exist",
    "remote: Repository not found.\nfatal: repository 'https://github.com/a/b/' not found": "repository does not exist",
    "ERROR: Repository not found.\nfatal: Could not read from remote repository.": "repository does not exist",
    "fatal: '/srv/x' does not appear to be a git repository\nfatal: Could not read": "repository does not exist",
    "fatal: could not read Username for 'https://github.com': terminal prompts disabled": "repository needs a password",
    "fatal: Authentication failed for 'https://git.example/x/'": "refused the credential's token",
    "git@h: Permission denied (publickey).\nfatal: Could not read from remote": "The server refused the key",
    "@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key": "another one than before",
    "No ED25519 host key is known for h and you have requested strict checking.": "not among the credential's known",
    "fatal: unable to access 'https://h/': The requested URL returned error: 403": "refused to let it be read",
    "fatal: unable to access 'https://h/': The requested URL returned error: 502": "answered with the error 502.",
    "fatal: couldn't find remote ref refs/pull/9/head\n": "The ref refs/pull/9/head is not there.",
    "fatal: unable to access 'https://nope/x/': Could not resolve host: nope": "There is no host nope.",
    "ssh: Could not resolve hostname nope: Name or service not known": "There is no host nope.",
    "Failed to connect to h port 1 after 0 ms: Couldn't connect to server": "Nothing listens there",
    "ssh: connect to host h port 22: Connection refused": "Nothing listens there",
    "error: RPC failed; curl 28 Operation too slow. Less than 1 bytes/sec": "did not answer in time",
    "fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate": "not valid: self-signed",
    "fatal: transport 'http' not allowed": "Addresses of the kind http:// are not taken",
    "fatal: write error: No space left on device": "The disk is full.",
    "Receiving objects: 10%\rReceiving objects: 20%\nfatal: something new\n": "git said: fatal: something new",
    "": "git said nothing about why.",
}


@tag("fast")
class ComplaintsTest(SimpleTestCase):
    def test_each_has_its_sentence(self) -> None:
        for said, sentence in SAID.items():
            with self.subTest(said):
                self.assertIn(sentence, explain(said))
                self.assertFalse(is_broken(said))

    def test_what_is_damaged_here(self) -> None:
        for said in (
            "error: object file ./objects/ab/cd is empty",
            "fatal: loose object abcd (stored in objects/ab/cd) is corrupt",
            "fatal: not a git repository (or any of the parent directories): .git",
            "fatal: bad config line 1 in file config",
            "fatal: pack has bad object at offset 12: inflate returned -5",
        ):
            self.assertTrue(is_broken(said), said)

    @given(st.text())
    def test_any_words_give_one_sentence(self, said: str) -> None:
        self.assertTrue(explain(said).endswith((".", said.strip()[-1:])) and len(explain(said)) < 600)
        is_broken(said)
