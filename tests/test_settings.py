"""Settings: each from the environment, refused by name where it is wrong, and on the page that lists them."""

import math
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from buildboard.environment import Environment

from .support import ROOT
from .support.board import environment

READ = re.compile(r"\b_?env\.(?:text|flag|number|items|hosts|folders?|choice|program|image|words)\(\s*\"([A-Z_]+)\"")
NUMBER = re.compile(r'_env\.number\("(\w+)", ([\d_]+), least=([\d_]+)(?:, most=([^)]+))?\)')


@tag("fast")
class EnvironmentTest(SimpleTestCase):
    def test_what_is_not_set_or_empty_is_the_default(self) -> None:
        for variables in ({}, {"X": ""}, {"X": "  "}):
            env = Environment(variables)
            self.assertEqual(env.text("X", "d"), "d")
            self.assertIs(env.flag("X", None), None)
            self.assertEqual(env.number("X", 7, least=1), 7)
            self.assertEqual(env.items("X"), [])
            self.assertEqual(env.folder("X", Path("/d")), Path("/d"))

    def test_what_is_asked_of_a_container_engine(self) -> None:
        self.assertEqual(Environment({"X": "/opt/podman"}).program("X", ("podman", "docker")), "/opt/podman")
        self.assertEqual(Environment({"X": "docker"}).program("X", ("podman", "docker")), "docker")
        self.assertEqual(Environment({"X": "r.example:5000/a/b:1"}).image("X"), "r.example:5000/a/b:1")
        self.assertEqual(Environment({"X": "--a 'b c'"}).words("X"), ["--a", "b c"])
        self.assertEqual([Environment({}).image("X"), Environment({}).words("X")], ["", []])
        for read, value, expected in (
            (
                lambda env: env.program("X", ("podman", "docker")),
                "lxc",
                "podman, docker or the whole path of a program",
            ),
            (lambda env: env.image("X"), "--privileged", "the name of an image"),
            (lambda env: env.words("X"), "--a 'b", "words as a shell reads them"),
        ):
            with self.assertRaisesRegex(ImproperlyConfigured, f"X=.*: expected {expected}"):
                read(Environment({"X": value}))

    def test_flags_take_the_usual_words_and_nothing_else(self) -> None:
        for word, value in (("1", True), ("Yes", True), ("ON", True), ("0", False), ("False", False), ("no", False)):
            self.assertIs(Environment({"X": word}).flag("X", None), value)
        for word in ("2", "ja", "truee", "-"):
            with self.assertRaisesRegex(ImproperlyConfigured, r"^X='.*': expected 1 or 0"):
                Environment({"X": word}).flag("X", None)

    def test_numbers_have_bounds_that_the_refusal_tells(self) -> None:
        self.assertEqual(Environment({"X": " 12 "}).number("X", 1, least=3, most=12), 12)
        for value in ("2", "13", "-4", "3.0", "1e1", "٣", "0x4", "9" * 40):
            with self.assertRaisesRegex(ImproperlyConfigured, r"^X='.*': expected a whole number from 3 to 12"):
                Environment({"X": value}).number("X", 5, least=3, most=12)

    def test_folders_are_whole_paths(self) -> None:
        self.assertEqual(Environment({"X": "/srv/git, /home/a b"}).folders("X"), ["/srv/git", "/home/a b"])
        for value in ("git", "~/git", "/srv/../etc", "/srv,git"):
            with self.assertRaisesRegex(ImproperlyConfigured, r"^X='.*': expected whole paths of folders"):
                Environment({"X": value}).folders("X")

    def test_a_choice_is_one_of_those(self) -> None:
        self.assertEqual(Environment({"X": " Two "}).choice("X", "one", ("one", "two")), "two")
        with self.assertRaisesRegex(ImproperlyConfigured, "^X='three': expected one or two\\.$"):
            Environment({"X": "three"}).choice("X", "one", ("one", "two"))

    @given(st.text())
    def test_any_text_is_read_or_refused_by_name(self, value: str) -> None:
        for read in (
            lambda env: env.flag("X", None),
            lambda env: env.number("X", 1, least=0),
            lambda env: env.items("X"),
        ):
            try:
                read(Environment({"X": value}))
            except ImproperlyConfigured as refused:
                self.assertTrue(str(refused).startswith("X="), refused)

    def test_a_list_ignores_empty_parts(self) -> None:
        self.assertEqual(Environment({"X": "a, b ,,c,"}).items("X"), ["a", "b", "c"])

    def test_hosts_are_names_without_scheme_port_and_path(self) -> None:
        good = ["board.example", ".example.org", "*", "192.0.2.7", "[2001:db8::7]", "web_1", "BOARD"]
        self.assertEqual(Environment({"X": ", ".join(good)}).hosts("X"), good)
        for wrong in ("https://x", "x:8000", "x/", "x y", "::1", "[::1]:80", "*.x", "x.", ".", "-x", "bücher.example"):
            with (
                self.subTest(wrong),
                self.assertRaisesRegex(ImproperlyConfigured, "^X=.*without scheme, port and path"),
            ):
                Environment({"X": f"board.example,{wrong}"}).hosts("X")

    def test_a_folder_must_not_be_a_file(self) -> None:
        with self.assertRaisesRegex(ImproperlyConfigured, "^X=.*a folder"):
            Environment({"X": __file__}).folder("X", Path("/"))


class StartTest(SimpleTestCase):
    """What a command says to settings, in a process of its own."""

    def setUp(self) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="bb-settings-"))
        self.addCleanup(shutil.rmtree, self.data)

    def tell(self, names: str, **env: str) -> subprocess.CompletedProcess[str]:
        code = f"from buildboard import settings as s; print({names})"
        whole = environment() | {"BUILDBOARD_DATA": str(self.data)} | env
        return subprocess.run([sys.executable, "-c", code], env=whole, capture_output=True, text=True, check=False)

    def refusal(self, **env: str) -> str:
        done = self.tell("s", **env)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr.strip().splitlines()[-1]

    def test_a_wrong_value_is_refused_by_name(self) -> None:
        for name, value in (
            ("BUILDBOARD_LEASE_SECONDS", "2"),
            ("PORT", "70000"),
            ("DATABASE_URL", "mysql://u:secret-word@h/n"),
            ("DATABASE_URL", "nonsense"),
            ("REDIS_URL", "http://secret-word"),
            ("CSRF_TRUSTED_ORIGINS", "board.example"),
            ("ALLOWED_HOSTS", "board.example,https://secret-board"),
            ("BUILDBOARD_LABELS", "gpu,Large"),
            ("BUILDBOARD_LABELS", ",".join("abcdefghijklmnopq")),
            ("BUILDBOARD_URL", "board.example"),
            ("EMAIL_URL", "imap://u:secret-word@h"),
            ("BUILDBOARD_OUTBOX_ALLOW_PRIVATE", "intranet"),
            ("BUILDBOARD_DATA", __file__),
            ("BUILDBOARD_DATA", "/proc/nothing"),
        ):
            with self.subTest(name, value=value):
                said = self.refusal(**{name: value})
                self.assertIn(f"ImproperlyConfigured: {name}", said)
                self.assertNotIn("secret-word", said)

    def test_a_command_refuses_it_in_one_sentence(self) -> None:
        env = environment() | {"BUILDBOARD_DATA": str(self.data), "PORT": "many"}
        done = subprocess.run(
            [sys.executable, ROOT / "manage.py", "up"], env=env, capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "manage.py: PORT='many': expected a whole number from 1 to 65535.\n")

    def test_one_key_is_made_and_kept_for_its_owner_alone(self) -> None:
        first, second = (self.tell("s.SECRET_KEY").stdout for _ in range(2))
        self.assertEqual(first, second)
        self.assertGreater(len(first), 50)
        kept = self.data / "secret-key"
        self.assertEqual(stat.S_IMODE(kept.stat().st_mode), 0o600)
        kept.chmod(0o644)  # copied there by hand
        self.assertEqual(self.tell("s.SECRET_KEY").stdout, first)
        self.assertEqual(stat.S_IMODE(kept.stat().st_mode), 0o600)

    def test_a_new_data_folder_is_its_owners_alone(self) -> None:
        new = self.data / "board"
        self.tell("s.SECRET_KEY", BUILDBOARD_DATA=str(new))
        self.assertEqual(stat.S_IMODE(new.stat().st_mode), 0o700)

    def test_processes_that_start_at_once_agree_on_one_key(self) -> None:
        command = [sys.executable, "-c", "from buildboard import settings as s; print(s.SECRET_KEY)"]
        env = environment() | {"BUILDBOARD_DATA": str(self.data)}
        started = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        self.assertEqual(len({process.communicate()[0] for process in started}), 1)

    def test_a_board_for_others_needs_a_key_of_its_own(self) -> None:
        for env in ({"DEBUG": "0"}, {"ALLOWED_HOSTS": "board.example"}):
            self.assertIn("SECRET_KEY is not set", self.refusal(**env))
        self.assertEqual(self.tell("s.SECRET_KEY", ALLOWED_HOSTS="b.example", SECRET_KEY="given").stdout, "given\n")
        own = self.tell("s.SECRET_KEY").stdout
        for env in ({"DEBUG": "0"}, {"ALLOWED_HOSTS": "board.example"}):
            self.assertEqual(self.tell("s.SECRET_KEY", **env).stdout, own, "it goes on with the key that it has")


@tag("fast")
class DocumentedTest(SimpleTestCase):
    def test_the_docs_have_every_numbers_default_and_limits(self) -> None:
        docs = (ROOT / "docs/settings.md").read_text()
        found = NUMBER.findall((ROOT / "buildboard/settings.py").read_text())
        self.assertGreater(len(found), 20)
        for name, default, least, most in found:
            limits = f"{int(least)} to {math.prod(map(int, most.split(' * ')))}" if most else f"at least {int(least)}"
            self.assertIn(f"**`{name}`** ({int(default)}; {limits}", docs)

    def test_every_variable_is_in_the_readme_and_in_the_docs_and_no_other(self) -> None:
        files = ("buildboard/settings.py", "buildboard/databases.py")
        read = {name for file in files for name in READ.findall((ROOT / file).read_text())}
        self.assertGreater(len(read), 12)
        table = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
        self.assertEqual(set(table), read)
        self.assertEqual(len(table), len(set(table)))
        docs = (ROOT / "docs/settings.md").read_text()
        self.assertEqual({name for name in read if f"**`{name}`**" not in docs}, set())

    def test_every_bound_is_in_its_own_table_with_the_same_default(self) -> None:
        row = re.compile(r"^\| `(BUILDBOARD_[A-Z_]+)` \| (\d+)", re.MULTILINE)
        told = dict(row.findall((ROOT / "README.md").read_text()))
        bounds = dict(row.findall((ROOT / "docs/bounds.md").read_text()))
        kinds = ("BUILDBOARD_MAX_", "BUILDBOARD_MIN_", "BUILDBOARD_TAIL_", "BUILDBOARD_STREAMS_")
        self.assertEqual(bounds, {name: default for name, default in told.items() if name.startswith(kinds)})
