"""The first run, and the programs of the demo projects."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from django.contrib.auth.models import User
from django.test import SimpleTestCase, TestCase, override_settings, tag

from builds import demo, recipe
from builds.models import Project

from .support import ROOT

PROGRAMS = ROOT / "builds" / "demo" / "programs"


def program(name: str, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(PROGRAMS / name), *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


class FirstRunTest(TestCase):
    def test_an_empty_board_gets_an_administrator_and_two_projects(self) -> None:
        password = demo.first_run()
        admin = User.objects.get()
        self.assertEqual(admin.username, "admin")
        self.assertTrue(admin.is_superuser and admin.is_staff and admin.check_password(password))
        self.assertGreaterEqual(len(password or ""), 16)
        self.assertEqual(set(Project.objects.values_list("slug", flat=True)), {"standard-library", "buildboard"})

    @override_settings(BUILDBOARD_ADMIN_PASSWORD="given by the environment")
    def test_the_password_of_the_environment_is_taken(self) -> None:
        self.assertEqual(demo.first_run(), "given by the environment")
        self.assertTrue(User.objects.get().check_password("given by the environment"))

    def test_a_second_run_changes_nothing(self) -> None:
        demo.first_run()
        Project.objects.filter(slug="buildboard").delete()
        Project.objects.filter(slug="standard-library").update(recipe="steps: [{name: a, run: b}]")
        User.objects.filter(username="admin").update(username="someone")
        self.assertIsNone(demo.first_run())
        self.assertEqual(Project.objects.get().recipe, "steps: [{name: a, run: b}]")
        self.assertEqual(User.objects.get().username, "someone")

    def test_a_board_with_users_of_its_own_is_left_alone(self) -> None:
        User.objects.create_user("someone")
        self.assertIsNone(demo.first_run())
        self.assertFalse(Project.objects.exists())


@tag("fast")
class RecipeTest(SimpleTestCase):
    def test_both_recipes_are_valid(self) -> None:
        for project in demo.projects():
            with self.subTest(project.slug):
                self.assertGreaterEqual(len(recipe.parse(project.recipe).steps), 3)
                self.assertNotIn('"@', project.recipe)

    def test_a_path_with_anything_in_it_reaches_the_scripts_whole(self) -> None:
        for place in ('/a path/it\'s "here"', "/x: #y\\n$(no)", "/käse/\u2028/\N{BEL}", "/{a}: [b]"):
            with self.subTest(place), mock.patch.dict(demo._PLACES, {"@CHECKOUT@": place, "@PYTHON@": place}):
                parsed = recipe.parse(demo.recipe("buildboard"))
                self.assertEqual(parsed.env["CHECKOUT"], place)
                self.assertEqual(parsed.env["PYTHON"], place)
                self.assertTrue(all(place not in step.run for step in parsed.steps))

    def test_letters_of_any_language_stay_as_they_are_for_whoever_reads_the_recipe(self) -> None:
        place = "/home/jürgen/" + "a long path " * 20 + "/板"
        with mock.patch.dict(demo._PLACES, {"@CHECKOUT@": place}):
            self.assertIn(f'CHECKOUT: "{place}"\n', demo.recipe("buildboard"))


class ProgramTest(SimpleTestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix='it\'s "odd" '))
        self.addCleanup(shutil.rmtree, self.folder)

    def test_the_standard_library_is_copied_compiled_and_checked_a_line_for_each_file(self) -> None:
        done = program("stdlib.py", "copy", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue((self.folder / "lib/asyncio/base_events.py").exists())
        self.assertFalse((self.folder / "lib/test").exists())
        for path in (self.folder / "lib").iterdir():  # a few modules are enough here
            if path.name not in ("json", "string.py"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        files = len(list((self.folder / "lib").rglob("*.py")))
        for verb, rounds in (("compile", 1), ("optimise", 2), ("check", 1)):
            done = program("stdlib.py", verb, cwd=self.folder)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(done.stdout.count("json/decoder.py"), rounds)
            self.assertGreaterEqual(done.stdout.count("\n"), files * rounds)
            self.assertIn("\x1b]9;4;1;", done.stdout)

    def test_a_module_that_does_not_compile_fails_the_step_and_is_named(self) -> None:
        (self.folder / "lib").mkdir()
        (self.folder / "lib/good.py").write_text("x = 1\n")
        (self.folder / "lib/bad.py").write_text("def\n")
        for verb in ("compile", "optimise"):
            done = program("stdlib.py", verb, cwd=self.folder)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, r"bad\.py: .*invalid syntax")
            self.assertIn("good.py", done.stdout)

    def test_compiled_code_that_is_not_its_sources_is_found(self) -> None:
        (self.folder / "lib").mkdir()
        (self.folder / "lib/one.py").write_text("x = 1\n")
        self.assertEqual(program("stdlib.py", "compile", cwd=self.folder).returncode, 0)
        (self.folder / "lib/one.py").write_text("x = 2\n")
        done = program("stdlib.py", "check", cwd=self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("differs", done.stdout)

    def test_a_repository_is_cloned(self) -> None:
        origin = self.folder / "origin"
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(origin)]
        origin.mkdir()
        (origin / "a file").write_text("committed")
        for args in (["init", "-q"], ["add", "."], ["commit", "-qm", "first words"]):
            subprocess.run([*git, *args], check=True)
        (origin / "a file").write_text("changed since")
        done = program("checkout.py", str(origin), "source", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("first words", done.stdout)
        self.assertEqual((self.folder / "source/a file").read_text(), "committed")

    def test_what_is_no_repository_is_copied_without_its_by_products(self) -> None:
        origin = self.folder / "origin"
        for name in ("manage.py", "builds/models.py", ".venv/bin/python", "var/secret-key", "builds/__pycache__/x.pyc"):
            (origin / name).parent.mkdir(parents=True, exist_ok=True)
            (origin / name).write_text(name)
        done = program("checkout.py", str(origin), "source", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        copied = {path.relative_to(self.folder / "source").as_posix() for path in (self.folder / "source").rglob("*")}
        self.assertEqual(copied, {"manage.py", "builds", "builds/models.py"})
