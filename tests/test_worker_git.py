"""git as a checkout runs it: over http and ssh with credentials, servers that hang, and where a secret never is."""

import glob
import os
import subprocess
import time
from pathlib import Path
from unittest import mock

from builds.repository import parse
from builds.worker.git import Access, Failed, Git, GitError, Shown
from tests.checkouts import CheckoutCase
from tests.support.processes import Process, eventually
from tests.support.repositories import ENV, HttpGit, Origin, Sshd, silent_server

PASSWORD = "geheim-7c1f0"


class ProgressTest(CheckoutCase):
    def test_the_log_tells_gits_progress_once_and_without_blanks_at_line_ends(self) -> None:
        self.origin.commit({"a": "1"})
        self.checked_out()
        self.assertEqual(self.checkouts.said.count("Enumerating objects"), 1, self.checkouts.said)
        ends = [line for line in self.checkouts.said.splitlines() if line.endswith(" ")]
        self.assertEqual(ends, [])

    def test_padding_becomes_an_erasure_wherever_a_read_ends(self) -> None:
        said = b"one 50%    \rone, done.  \n two \x1b[1m  "
        expected = b"one 50%\x1b[K\rone, done.\x1b[K\n two \x1b[1m  "
        for size in range(1, len(said) + 1):
            shown = Shown()
            parts = [shown.of(said[at : at + size]) for at in range(0, len(said), size)]
            self.assertEqual(b"".join([*parts, shown.rest()]), expected)


class HttpTest(CheckoutCase):
    def setUp(self) -> None:
        super().setUp()
        self.origin.commit({"a": "1"})
        self.server = HttpGit(self.folder / "srv", password=PASSWORD)
        self.addCleanup(self.server.close)
        self.address = f"{self.server.address}/widgets/.git"

    def access(self, **more: str) -> dict[str, str]:
        return {"kind": "token", "scope": self.server.address, "secret": PASSWORD, "username": "robot"} | more

    def test_a_token_opens_what_is_not_everybodys(self) -> None:
        self.fails("The repository needs a password", self.address)
        self.checked_out(self.address, access=self.access())
        self.assertTrue(any(asked.startswith("robot /widgets/.git/info/refs") for asked in self.server.asked))
        self.assertNotIn(PASSWORD, (self.checkouts.work / ".git/config").read_text())
        self.fails("The server refused the credential's token", self.address, access=self.access(secret="wrong"))

    def test_it_is_sent_to_no_address_that_it_is_not_for(self) -> None:
        for scope in (f"{self.server.address}/other/", "https://git.example/", "http://127.0.0.1:1/"):
            self.fails("The repository needs a password", self.address, access=self.access(scope=scope))
        self.assertEqual([asked for asked in self.server.asked if asked.startswith("robot")], [])

    def test_what_does_not_exist_or_does_not_listen(self) -> None:
        self.fails("The repository does not exist there", f"{self.server.address}/nothing", access=self.access())
        self.fails("Nothing listens there", "http://127.0.0.1:9/widgets")
        with self.subTest("a name that is none"):
            self.fails("There is no host no-such-host.invalid", "https://no-such-host.invalid/widgets")

    def test_a_server_that_says_nothing_is_given_up(self) -> None:
        with silent_server() as port:
            for address in (f"http://127.0.0.1:{port}/w", f"ssh://127.0.0.1:{port}/w"):
                self.fails("The server said nothing for 1 s", address, silence=1)
            self.fails("longer than a checkout may take", f"http://127.0.0.1:{port}/w", seconds=1)

    def test_a_secret_is_in_no_file_no_command_line_and_no_variable(self) -> None:
        """Looked for while git waits for a server that hangs since it was told the password."""
        self.server.hangs.set()
        with Process(self.checkouts.order(self.address, access=self.access(), silence=60), env=ENV) as process:
            eventually(lambda: any(asked.startswith("robot") for asked in self.server.asked), 20)
            (self.folder / "order").unlink()  # the worker's, in its memory
            pids = [process.pid, *(child.pid for child in process.children())]
            self.assertGreaterEqual(len(pids), 3)  # git, and its helper for http
            for pid in pids:
                for name in ("cmdline", "environ"):
                    self.assertNotIn(PASSWORD.encode(), Path(f"/proc/{pid}/{name}").read_bytes())
            self.assertEqual(self.files_with(PASSWORD), [])
            self.assertNotIn(PASSWORD, process.output())

    def files_with(self, secret: str) -> list[str]:
        return [
            path
            for path in glob.glob(f"{self.folder}/**", recursive=True, include_hidden=True)
            if os.path.isfile(path) and secret.encode() in Path(path).read_bytes()
        ]

    def test_lfs_and_submodules_use_it_too_where_it_is_for_them(self) -> None:
        library = Origin(self.folder / "srv/library")
        library.commit({"lib.txt": "lib"})
        allowed = ("-c", "protocol.file.allow=always")
        self.origin.git(*allowed, "submodule", "--quiet", "add", "--", str(library.path), "lib")
        text = '[submodule "lib"]\n\tpath = lib\n\turl = ../../library/.git\n'
        self.origin.commit({".gitmodules": text})
        self.checked_out(self.address, access=self.access(), submodules=True)
        self.assertEqual((self.checkouts.work / "lib/lib.txt").read_text(), "lib")
        self.fails(
            "The repository needs a password", self.address,
            access=self.access(scope=f"{self.server.address}/widgets/"), submodules=True,
        )  # fmt: skip


class SshTest(CheckoutCase):
    def setUp(self) -> None:
        super().setUp()
        self.origin.commit({"a": "1"})
        self.key, public = self.made("key")
        server = self.folder / "sshd"
        server.mkdir()
        self.sshd = Sshd(server, public)
        self.addCleanup(self.sshd.close)
        self.address = self.sshd.address(self.origin.path)

    def made(self, name: str) -> tuple[str, str]:
        file = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], check=True)
        return file.read_text(), file.with_name(f"{name}.pub").read_text()

    def access(self, **more: str) -> dict[str, str]:
        return {"kind": "key", "scope": self.sshd.address(Path("/")), "secret": self.key} | more

    def test_a_deploy_key_with_known_hosts(self) -> None:
        self.checked_out(self.address, access=self.access(known_hosts=self.sshd.known_hosts))

    def test_a_key_that_the_server_does_not_know(self) -> None:
        self.fails("The server refused the key", self.address)
        self.fails("The server refused the key", self.address, access=self.access(secret=self.made("other")[0]))

    def test_a_host_that_is_not_known_and_one_that_has_changed(self) -> None:
        _, public = self.made("host")
        other = f"[127.0.0.1]:{self.sshd.port} {' '.join(public.split()[:2])}\n"
        self.fails("another one than before", self.address, access=self.access(known_hosts=other))
        elsewhere = other.replace("127.0.0.1", "git.example")
        self.fails("not among the credential's known hosts", self.address, access=self.access(known_hosts=elsewhere))

    def test_without_known_hosts_the_first_key_is_believed_and_no_other(self) -> None:
        self.checked_out(self.address, access=self.access())
        self.checked_out(self.address, access=self.access())
        hosts = self.checkouts.mirror / "hosts"
        self.assertIn(self.sshd.known_hosts.split()[2], hosts.read_text())
        _, public = self.made("host")
        hosts.write_text(f"[127.0.0.1]:{self.sshd.port} {' '.join(public.split()[:2])}\n")
        self.fails("another one than before", self.address, access=self.access())

    def test_what_does_not_exist(self) -> None:
        self.fails("The repository does not exist there", self.sshd.address(Path("/nothing")), access=self.access())


class GitTest(CheckoutCase):
    def git(self, **options: object) -> Git:
        options = {"silence": 5.0, "deadline": time.monotonic() + 60} | options
        hosts = self.folder / "mirror/hosts"
        return Git(self.folder / "home", parse("https://git.example/w"), None, hosts=hosts, **options)  # type: ignore[arg-type]

    def test_nobodys_configuration_but_the_boards(self) -> None:
        home = self.folder / "users"
        home.mkdir()
        (home / ".gitconfig").write_text('[core]\n\tpager = evil\n[url "https://evil/"]\n\tinsteadOf = https://\n')
        evil = {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"), "GIT_SSH_COMMAND": "evil",
                "GIT_ASKPASS": "evil", "GIT_DIR": "/nonexistent", "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "core.evil", "GIT_CONFIG_VALUE_0": "1"}  # fmt: skip
        with mock.patch.dict(os.environ, evil):
            told = self.git().ask("config", "--list", cwd=self.origin.path)
        self.assertNotIn("evil", told)
        self.assertIn("core.hookspath=/dev/null", told)
        self.assertIn("protocol.allow=never", told)
        self.assertNotIn("protocol.ext", told)
        self.assertNotIn("protocol.http.allow", told)

    def test_a_failure_says_why(self) -> None:
        with self.assertRaisesRegex(Failed, "git said: fatal: Needed a single revision"):
            self.git().ask("rev-parse", "--verify", "nonsense", cwd=self.origin.path)
        self.assertFalse(self.git().tells("cat-file", "-e", "nonsense", cwd=self.origin.path))

    def test_the_time_is_over(self) -> None:
        git = self.git(deadline=time.monotonic() - 1)
        with self.assertRaisesRegex(GitError, "BUILDBOARD_CHECKOUT_SECONDS"):
            git.ask("version", cwd=self.folder)

    def test_without_git_it_says_so(self) -> None:
        with mock.patch.dict(os.environ, {"PATH": str(self.folder)}), self.assertRaisesRegex(GitError, "has no git"):
            self.git().ask("version", cwd=self.folder)

    def test_a_secret_is_not_in_what_an_error_shows(self) -> None:
        self.assertNotIn(PASSWORD, repr(Access("token", "https://git.example/", PASSWORD)))
