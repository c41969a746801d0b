"""The house rules, read from the imports of every file: see `builds/__init__.py` for the map."""

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from django.test import SimpleTestCase, tag

from .support import ROOT

FLOORS = [
    "states", "inputs", "source", "recipe", "hooks", "repository", "progress", "gauges", "labels", "cron",
    "vault", "wakes",
    "models", "plans", "rotation", "safe", "logbytes", "blocks", "blocktext", "cuts", "landmarks", "logrows",
    "telling", "events",
    "junit", "testcases",
    "filestore", "artifacts", "caches", "printed", "lookout", "loglimit", "silences", "beats", "queue",
    "outbox",
    "lifecycle", "deliveries", "schedules", "chains", "runs", "worlds",
    "retention", "uploads", "leases", "access", "search",
]  # fmt: skip
"""From the ground up: each imports only those before it."""
WINGS = {"worker", "live", "web"}
DOORS = {"admin", "apps", "checks", "urls", "demo", "management", "migrations", "templatetags"}
"""The outside of the house; nothing on a floor or in a wing imports them."""
TIES = {"urls": WINGS, "templatetags": {"web"}}
"""The doors that may import wings: paths are tied to views, and tags are the pages' own."""

MOST_LINES = 350

NO_BUILDS = {"builds/web/graph.py": "the boxes of a drawing"}
"""Whose statuses these files set, where it is neither a build's nor a step's."""

TESTED_BY: dict[str, str] = {
    "management/backups": "test_backup_command.py",
    "management/commands/_person": "test_startbuild_command.py",
    "management/commands/_project": "test_startbuild_command.py",
    "management/commands/_postgresql": "test_backup_command.py",
    "management/commands/_sqlite": "test_backup_command.py",
    "management/commands/runserver": "test_web_command.py",
    "management/commands/rotatesecrets": "test_rotation.py",
    "management/commands/recipeschema": "test_recipe_schema.py",
    "search/pieces": "test_search_slices.py",
    "web/api/asking": "test_api.py",
    "web/api/base": "test_api.py",
    "web/api/builds": "test_api.py",
    "web/api/me": "test_api.py",
    "web/api/projects": "test_api_projects.py",
    "web/projectsettings": "test_api_projects.py",
    "web/api/runs": "test_api_runs.py",
    "web/api/starts": "test_api.py",
    "management/commands/setsecret": "test_safe.py",
    "web/api/targets": "test_web_notifications.py",
    "web/door": "test_api_door.py",
    "web/news": "test_web_notifications.py",
    "web/targetforms": "test_web_notifications.py",
    "printed": "test_events.py",
    "web/items": "test_api.py",
    "web/marks": "test_web_badge.py",
    "web/recipeschema": "test_recipe_schema.py",
    "worker/commits": "test_worker_checkout_program.py",
    "worker/enclosing": "test_worker_process.py",
    "worker/guardian": "test_worker_process.py",
    "worker/inside": "test_worker_sandbox.py",
    "worker/leftovers": "test_worker_supervisor.py",
    "worker/running": "test_worker_runner.py",
    "worker/tree": "test_worker_checkout_program.py",
    "worker/turns": "test_worker_runner.py",
}
"""builds/<path without .py> → the test file that holds it, where that is not named after the module."""
NO_TEST = {"__init__", "apps", "urls"}


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            relative = path.relative_to(ROOT)
            if "migrations" not in relative.parts and "programs" not in relative.parts:
                yield relative


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of everything that the file imports, at any depth."""
    package = path.with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{name}.{alias.name}") for alias in node.names)


def part(dotted: str) -> str | None:
    """The floor, wing or door of builds that a dotted name belongs to."""
    names = dotted.split(".")
    return names[1] if names[0] == "builds" and len(names) > 1 else None


def part_of(path: Path) -> str:
    return path.parts[1].removesuffix(".py")


def status_writes(text: str) -> list[int]:
    """The lines of a program that set the status of a row."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr == "status" and isinstance(node.ctx, ast.Store):
            if ast.unparse(node.value) != "self":
                found.append(node.lineno)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            words = {word.value for word in ast.walk(node) if isinstance(word, ast.Constant)}
            if called in ("save", "bulk_update", "setattr") and "status" in words:
                found.append(node.lineno)
            elif called in ("update", "create", "get_or_create", "update_or_create", "Build", "Step"):
                found += [node.lineno for keyword in node.keywords if keyword.arg == "status"]
    return found


@tag("fast")
class FloorsTest(SimpleTestCase):
    def test_each_floor_imports_only_what_stands_above_it(self) -> None:
        for path in modules("builds"):
            here = part_of(path)
            for line, name in imported(path):
                there = part(name)
                if there is None or there == here:
                    continue
                with self.subTest(f"{path}:{line} imports {name}"):
                    if here in FLOORS:
                        self.assertIn(there, FLOORS[: FLOORS.index(here)])
                    elif here in WINGS:
                        self.assertIn(there, FLOORS, "a wing stands on the floors, and no wing imports another")
                    elif there in WINGS and there not in TIES.get(here, ()):
                        self.assertIn(path.name, _commands(there), "only the command of a wing imports that wing")

    def test_only_lifecycle_changes_a_status(self) -> None:
        writing = {str(path) for path in modules("builds", "buildboard") if status_writes((ROOT / path).read_text())}
        self.assertEqual({path for path in writing if not path.startswith("builds/lifecycle/")}, set(NO_BUILDS))
        verbs = {"starts", "claims", "elsewhere", "steps", "endings"}
        for path in writing - set(NO_BUILDS):
            self.assertIn(Path(path).stem, verbs, "is it a verb of one of these?")

    def test_what_changes_a_status_is_seen(self) -> None:
        for line in (
            "build.status = Status.PASSED",
            "step.status, step.finished_at = Status.SKIPPED, now",
            "Build.objects.filter(pk=1).update(reason='', status='passed')",
            "Step.objects.create(build=build, status='running')",
            "Build(status='running')",
            "models.Step(status='running')",
            "build.save(update_fields=['status'])",
            "Step.objects.bulk_update(steps, fields=['status'])",
            "Step.objects.bulk_update(steps, ['reason', 'status'])",
            "setattr(build, 'status', 'passed')",
        ):
            self.assertEqual(status_writes(line), [1], line)
        for line in (
            "self.status = 404",
            "Build.objects.filter(status='passed').update(kept=True)",
            "render(request, page, status=422)",
            "build.save(update_fields=['kept'])",
            "rows.values_list('status')",
        ):
            self.assertEqual(status_writes(line), [], line)

    def test_the_map_names_every_file(self) -> None:
        known = {*FLOORS, *DOORS, *WINGS, "__init__", "static"}
        found = {path.name.removesuffix(".py") for path in (ROOT / "builds").iterdir() if path.name != "__pycache__"}
        self.assertEqual(found - known, set(), "new in builds/: is it a floor, a wing or a door?")
        text = (ROOT / "builds/__init__.py").read_text()
        told = re.findall(r"^    (\w+)(?:\.py|/) ", text, re.MULTILINE)
        self.assertEqual(told[: len(FLOORS)], FLOORS, "the map in builds/__init__.py is read in this order")
        self.assertEqual(set(told[len(FLOORS) :]), WINGS)

    def test_processes_and_event_loops_stay_where_they_belong(self) -> None:
        allowed = {
            "subprocess": ("builds/worker/", "builds/management/commands/", "buildboard/client/"),
            "asyncio": (
                "builds/live/",
                "builds/wakes.py",
                "buildboard/asgi.py",
                "buildboard/connections.py",
                "buildboard/inbox.py",
                "buildboard/serve.py",
            ),
            "channels": ("builds/wakes.py",),
            "psutil": ("builds/worker/", "builds/web/health.py", "builds/management/commands/"),
        }
        for path in modules("builds", "buildboard"):
            for line, name in imported(path):
                places = allowed.get(name.split(".")[0])
                if places is not None:
                    with self.subTest(f"{path}:{line} imports {name}"):
                        self.assertTrue(str(path).startswith(places), f"only in {', '.join(places)}")

    def test_no_file_is_too_long_to_read(self) -> None:
        for path in modules("builds", "buildboard", "tests"):
            with self.subTest(str(path)):
                lines = (ROOT / path).read_text().count("\n")
                self.assertLessEqual(lines, MOST_LINES, "cut it by noun")

    def test_the_settings_use_only_the_environment(self) -> None:
        """Everything that reads variables of the environment by name is in one place, so that README can list them."""
        reading = re.compile(r"os\.environ\[|os\.environ\.get\(|os\.getenv\(")
        for path in modules("builds", "buildboard"):
            if path.name not in ("environment.py",):
                with self.subTest(str(path)):
                    self.assertIsNone(reading.search((ROOT / path).read_text()))


def _commands(wing: str) -> set[str]:
    return {"worker": {"worker.py", "checkrepository.py"}, "live": {"web.py", "serve.py"}, "web": set()}[wing]


@tag("fast")
class TestsTest(SimpleTestCase):
    def test_every_module_has_a_test_of_its_name(self) -> None:
        tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
        missing = []
        for path in modules("builds"):
            name = path.stem
            if name in NO_TEST:
                continue
            candidates = {f"test_{name}.py", f"test_{part_of(path)}_{name}.py", f"test_{part_of(path)}.py"}
            if path.parent.name == "commands":
                candidates |= {f"test_{name}_command.py", "test_commands.py"}
            by = TESTED_BY.get(str(path.with_suffix("").relative_to("builds")))
            if not (candidates | {by}) & tests:
                missing.append(str(path))
        self.assertEqual(missing, [])

    def test_test_modules_load_with_only_the_requirements_of_the_fast_tests(self) -> None:
        """The demo project runs them so: what only dev.txt brings is imported inside the tests that need it."""
        allowed = {"builds", "buildboard", "tests", *sys.stdlib_module_names}
        wanted = _distributions("base.txt") | _distributions("fast.txt")
        for package, distributions in importlib.metadata.packages_distributions().items():
            if {_normal(name) for name in distributions} & wanted:
                allowed.add(package)
        for path in modules("tests"):
            tree = ast.parse((ROOT / path).read_text())
            for node in tree.body:
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                for name in names:
                    with self.subTest(f"{path}:{node.lineno} imports {name}"):
                        self.assertIn(name.split(".")[0], allowed)


@tag("fast")
class RequirementsTest(SimpleTestCase):
    def test_every_requirement_is_pinned_and_explained_or_of_one_that_is(self) -> None:
        explained = (ROOT / "docs/dependencies.md").read_text().lower()
        for file in sorted((ROOT / "requirements").glob("*.txt")):
            for line in file.read_text().splitlines():
                if not line or line.startswith(("#", "-r ")):
                    continue
                with self.subTest(f"{file.name}: {line}"):
                    self.assertRegex(line, r"\A[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*\Z")
                    self.assertIn(f"`{_normal(line.partition('==')[0])}`", explained)


def _distributions(file: str) -> set[str]:
    lines = (ROOT / "requirements" / file).read_text().splitlines()
    return {_normal(line.partition("==")[0]) for line in lines if "==" in line}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
