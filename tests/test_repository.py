import subprocess
from urllib.parse import urlsplit

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.repository import RepositoryError, check_path, check_ref, covers, parse

ROOTS = ("/srv/git",)


@tag("fast")
class AddressTest(SimpleTestCase):
    def test_what_is_an_address(self) -> None:
        for text, spelled in {
            "https://github.com/acme/widgets.git": "https://github.com/acme/widgets.git",
            "https://Git.Example:8443/a/b": "https://git.example:8443/a/b",
            "http://127.0.0.1:3000/a/b": "http://127.0.0.1:3000/a/b",
            "http://gitea:3000/a/b": "http://gitea:3000/a/b",
            "http://[::1]:80/a": "http://[::1]/a",
            "ssh://git@github.com/acme/widgets.git": "ssh://github.com/acme/widgets.git",
            "ssh://git@git.example:2222/~me/w": "ssh://git.example:2222/~me/w",
            "git@github.com:acme/widgets.git": "ssh://github.com/acme/widgets.git",
            "git.example:/srv/git/w.git": "ssh://git.example/srv/git/w.git",
            "/srv/git/a b.git": "file:///srv/git/a b.git",
            "file:///srv/git/w/": "file:///srv/git/w",
        }.items():
            with self.subTest(text):
                found = parse(text, folders=ROOTS, http_hosts=("gitea",))
                self.assertEqual((found.text, found.spelled), (text, spelled))

    def test_what_is_none_says_what_was_wrong(self) -> None:
        for text, said in {
            "": "it is empty",
            "widgets": "expected an address such as",
            "../widgets": "expected an address such as",
            "--upload-pack=touch /tmp/x": "like an option",
            "-oProxyCommand=x:y": "like an option",
            "ssh://-oProxyCommand=x/y": "no name of a host",
            "git@-oProxyCommand=x:y": "expected an address",
            "-x@host:y": "like an option",
            "host:-y": "cannot begin with '-'",
            "ssh://host/-y": "cannot begin with '-'",
            "host:/-y": "cannot begin with '-'",
            "https://host//-y": "cannot begin with '-'",
            "ext::sh -c id": "helpers of git",
            "fd::17": "helpers of git",
            "https::http://x/y": "helpers of git",
            "git://github.com/a/b": "addresses that begin with git:// are not taken",
            "ftp://host/a": "addresses that begin with ftp:// are not taken",
            "https://alice:secret@host/a": "give the project a credential",
            "https://token@host/a": "give the project a credential",
            "ssh://alice:secret@host/a": "give the project a credential",
            "https://host": "the path of the repository is missing",
            "https://host:99999/a": "expected a port",
            "https://ho st/a": "a space cannot be part of it",
            "https://host/a/../b": "a path cannot have '..'",
            "https://host/a?token=x": "'?'",
            "https:///a/b": "no name of a host",
            "https://host/a\nb": "printable",
            "https://host/a ": "no space at the ends",
            "https://host/" + "x" * 500: "up to 500",
            "http://git.example/a": "not encrypted, and git.example is not among",
            "/etc": "only below /srv/git",
            "/srv/git": "only below /srv/git",
            "/srv/gitolite/x": "only below /srv/git",
            "/srv/git/../../etc": "cannot have '..'",
            "file://host/srv/git/x": "without a host",
            "file:///etc/x": "only below /srv/git",
        }.items():
            with self.subTest(text), self.assertRaises(RepositoryError) as caught:
                parse(text, folders=ROOTS)
            self.assertIn(said, str(caught.exception))
            self.assertNotIn("secret", str(caught.exception))

    def test_no_folder_of_the_machine_without_a_setting(self) -> None:
        with self.assertRaisesRegex(RepositoryError, "BUILDBOARD_LOCAL_REPOSITORIES allows it, and there are none"):
            parse("/srv/git/w")

    @given(st.text(max_size=60) | st.from_regex(r"[a-z]{0,6}:{0,2}/{0,3}[-@:/.a-z0-9~%]{0,20}", fullmatch=True))
    def test_whatever_passes_is_no_option_no_helper_and_holds_no_password(self, text: str) -> None:
        try:
            found = parse(text, folders=ROOTS)
        except RepositoryError:
            return
        self.assertFalse(text.startswith("-") or "::" in text.split("/")[0].split("[")[0])
        self.assertTrue(text.isprintable())
        self.assertFalse(found.host.startswith("-") or found.path.startswith("-") or found.user.startswith("-"))
        if "://" in text:
            self.assertIsNone(urlsplit(text).password)

    def test_the_page_of_a_commit(self) -> None:
        for text, page in {
            "git@github.com:acme/widgets.git": "https://github.com/acme/widgets/commit/abc",
            "https://gitlab.example:8443/a/b/c.git": "https://gitlab.example:8443/a/b/c/-/commit/abc",
            "ssh://git@codeberg.org:22/a/b": "https://codeberg.org/a/b/commit/abc",
            "https://bitbucket.org/a/b": "https://bitbucket.org/a/b/commits/abc",
            "https://git.example/a/b": "",
            "/srv/git/github": "",
        }.items():
            self.assertEqual(parse(text, folders=ROOTS).commit_page("abc"), page)


@tag("fast")
class ScopeTest(SimpleTestCase):
    def test_a_scope_is_the_beginning_of_an_address_at_the_border_of_a_folder(self) -> None:
        one = parse("https://host/team/widgets.git")
        for scope in (
            "https://host",
            "https://host/",
            "https://HOST/team",
            "https://host:443/team/",
            "https://host/team/widgets",
        ):
            self.assertTrue(covers(scope, one), scope)
        for scope in (
            "https://host/tea",
            "https://host.evil/team",
            "https://host:444/team",
            "ssh://host/team",
            "https://host/team/widgets/x",
        ):
            self.assertFalse(covers(scope, one), scope)
        self.assertTrue(covers("git@host:team", parse("ssh://git@host/team/widgets")))

    def test_what_is_none(self) -> None:
        for scope in ("", "host", "/srv/git", "file:///srv", "https://a:b@host/", "ext::x"):
            with self.assertRaises(RepositoryError):
                covers(scope, parse("https://host/a"))


@tag("fast")
class RefTest(SimpleTestCase):
    def test_refs(self) -> None:
        for ref in ("main", "feature/x", "v1.0", "refs/pull/7/head", "a" * 40, "été", "release-2024.1"):
            check_ref(ref)
        for ref in (
            "", "--upload-pack=touch x", "-b", "a..b", "a b", "a~1", "a^", "a:b", "a?", "*", "a[b", "a\\b", "@{-1}",
            "@", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a\nb", "x" * 201,
        ):  # fmt: skip
            with self.subTest(ref), self.assertRaises(RepositoryError):
                check_ref(ref)

    @given(st.text(alphabet=st.characters(max_codepoint=0x17F), max_size=20))
    def test_what_passes_passes_gits_own_rule(self, ref: str) -> None:
        try:
            check_ref(ref)
        except RepositoryError:
            return
        done = subprocess.run(["git", "check-ref-format", "--allow-onelevel", ref], check=False)
        self.assertEqual(done.returncode, 0, repr(ref))

    def test_paths_of_recipes(self) -> None:
        for path in (".buildboard.yml", "ci/build.yml", "a b/c.yml"):
            check_path(path)
        for path in (
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "./a",
            "a/",
            "-x",
            ":x",
            "a\\b",
            " a",
            "a\nb",
            "x" * 201,
        ):
            with self.subTest(path), self.assertRaises(RepositoryError):
                check_path(path)
