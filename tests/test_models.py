from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.test import TestCase, override_settings
from django.utils import timezone

from builds.models import ApiToken, Board, Build, Event, Project, Step, Worker, iso

RECIPE = "steps: [{name: say, run: echo hi}]"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

# What each status of a build and of a step needs to be possible at all.
BUILD = {
    "queued": {},
    "running": {"started_at": NOW, "worker": "w", "lease_token": "t"},
    "passed": {"started_at": NOW, "finished_at": NOW, "worker": "w"},
    "failed": {"started_at": NOW, "finished_at": NOW, "worker": "w"},
    "lost": {"started_at": NOW, "finished_at": NOW, "worker": "w"},
    "cancelled": {"finished_at": NOW},
}
STEP = {
    "pending": {},
    "running": {"started_at": NOW},
    "passed": {"started_at": NOW, "finished_at": NOW, "exit_code": 0},
    "failed": {"started_at": NOW, "finished_at": NOW, "exit_code": 2},
    "cancelled": {"started_at": NOW, "finished_at": NOW},
    "lost": {"started_at": NOW, "finished_at": NOW},
    "skipped": {"finished_at": NOW},
}
LOG = {"kind": "log", "step": 0, "line": 1, "lines": 1}


class ConstraintsTests(TestCase):
    """Impossible states are refused by the database: `update()` asks no code of ours."""

    @classmethod
    def setUpTestData(cls):
        cls.project = Project.objects.create(name="One", slug="one", recipe=RECIPE)

    def build(self, **fields: Any) -> Build:
        return Build.objects.create(project=self.project, recipe=RECIPE, **fields)

    def assert_refused(self, row: models.Model, **fields: Any) -> None:
        with self.subTest(type(row).__name__, **fields), self.assertRaises(IntegrityError), transaction.atomic():
            type(row)._default_manager.filter(pk=row.pk).update(**fields)

    def test_every_possible_state_of_a_build_is_taken(self):
        for status, needs in BUILD.items():
            with self.subTest(status):
                self.build(status=status, **needs).delete()
        self.build(status="cancelled", started_at=NOW, finished_at=NOW, worker="w")

    def test_a_build_is_taken_from_webs_that_do_not_know_the_columns_of_landmarks(self):
        columns = [field for field in Build._meta.concrete_fields if not field.name.endswith("_told")]
        row = self.build()
        row.pk = row.pk + 1
        values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in columns]
        names, marks = ", ".join(f'"{field.column}"' for field in columns), ", ".join(["%s"] * len(columns))
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO builds_build ({names}) VALUES ({marks})", values)  # noqa: S608
        stored = Build.objects.get(pk=row.pk)
        self.assertEqual((stored.annotations_told, stored.groups_told), ({"error": 0, "warning": 0, "notice": 0}, 0))

    def test_impossible_builds_are_refused(self):
        queued = self.build()
        for fields in (
            {"status": "done"},
            {"status": "pending"},
            {"status": "skipped", "finished_at": NOW},
            {"lease_token": "t"},
            {"finished_at": NOW},
            {"started_at": NOW},
            {"head": -1},
            {"revision": -1},
            {"renewal": -1},
            {"horizon": 0},
            {"horizon": 2},
            {"head": 5, "horizon": 7},
        ):
            self.assert_refused(queued, **fields)
        for status, needs in BUILD.items():
            row = self.build(status=status, **needs)
            for name in needs:
                self.assert_refused(row, **{name: "" if name == "worker" else None})
            if status not in ("queued", "running"):
                self.assert_refused(row, lease_token="t")
            row.delete()

    def test_a_lease_is_of_one_build_and_a_request_key_of_one_build_of_its_project(self):
        other = Project.objects.create(name="Two", slug="two", recipe=RECIPE)
        self.build(status="running", **BUILD["running"])
        second = self.build(request_key="k")
        self.assert_refused(second, status="running", **BUILD["running"])
        third = self.build()
        self.assert_refused(third, request_key="k")
        Build.objects.create(project=other, recipe=RECIPE, request_key="k")

    def test_every_possible_state_of_a_step_is_taken_and_impossible_ones_are_refused(self):
        build = self.build()
        for position, (status, needs) in enumerate(STEP.items()):
            step = Step.objects.create(build=build, position=position, name=status, status=status, **needs)
            for name in needs:
                if (status, name) != ("failed", "exit_code"):
                    self.assert_refused(step, **{name: None})
            if "finished_at" not in needs:
                self.assert_refused(step, finished_at=NOW)
            if "started_at" not in needs:
                self.assert_refused(step, started_at=NOW)
        first = build.steps.get(position=0)
        self.assert_refused(build.steps.get(name="passed"), exit_code=1)
        self.assert_refused(first, status="queued")
        self.assert_refused(first, progress=-0.1)
        self.assert_refused(first, progress=1.1)
        self.assert_refused(first, position=1)
        self.assert_refused(first, position=-1)
        self.assert_refused(first, name="running")

    def test_impossible_events_are_refused(self):
        build = self.build()
        log = Event.objects.create(build=build, seq=1, at=NOW, body="a", **LOG)
        fact = Event.objects.create(build=build, seq=2, at=NOW, kind="build", body="{}")
        for fields in (
            {"seq": 0},
            {"seq": -1},
            {"seq": 2},
            {"kind": ""},
            {"step": None},
            {"line": None},
            {"lines": None},
            {"line": 0},
            {"lines": 0},
        ):
            self.assert_refused(log, **fields)
        for fields in ({"kind": "log"}, {"line": 1}, {"lines": 1}, {"step": 0}, {"open": True}):
            self.assert_refused(fact, **fields)

    def test_impossible_boards_projects_and_workers_are_refused(self):
        board = Board.get()
        for fields in ({"id": 2}, {"revision": -1}, {"horizon": 1}, {"horizon": -1}):
            self.assert_refused(board, **fields)
        with self.assertRaises(IntegrityError), transaction.atomic():
            Board.objects.create(pk=2)
        Project.objects.create(name="Two", slug="two", recipe=RECIPE)
        for fields in ({"name": ""}, {"slug": ""}, {"slug": "two"}):
            self.assert_refused(self.project, **fields)
        worker = Worker.objects.create(name="a")
        Worker.objects.create(name="b")
        self.assert_refused(worker, renewal=-1)
        self.assert_refused(worker, name="b")
        user = User.objects.create(username="alice")
        token = ApiToken.objects.create(user=user, digest="1")
        ApiToken.objects.create(user=user, digest="2")
        self.assert_refused(token, digest="2")

    def test_a_project_with_builds_is_not_deleted(self):
        self.build()
        with self.assertRaises(models.ProtectedError):
            self.project.delete()

    def test_a_bad_recipe_is_refused_with_its_line(self):
        self.project.recipe = "steps:\n- name: a\n"
        with self.assertRaisesMessage(ValidationError, "line 2: a step needs the key 'run'"):
            self.project.full_clean()

    def test_all_that_is_wrong_with_a_recipe_is_said(self):
        self.project.recipe = "steps:\n- name: a\n  runn: make\n"
        with self.assertRaises(ValidationError) as caught:
            self.project.full_clean()
        [missing, unknown] = caught.exception.message_dict["recipe"]
        self.assertEqual(missing, "line 2: a step needs the key 'run'")
        self.assertIn("line 3: unknown key 'runn'", unknown)


class VisibilityTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.open = Project.objects.create(name="Open", slug="open", recipe=RECIPE)
        cls.closed = Project.objects.create(name="Closed", slug="closed", recipe=RECIPE)
        cls.group, cls.second = Group.objects.create(name="team"), Group.objects.create(name="second")
        cls.closed.groups.add(cls.group, cls.second)
        cls.alice = User.objects.create_superuser("alice")
        cls.bob = User.objects.create_user("bob")
        cls.bob.groups.add(cls.group, cls.second)
        cls.stranger = User.objects.create_user("stranger")
        cls.left = User.objects.create_user("left", is_active=False)
        cls.left.groups.add(cls.group)
        for project in (cls.open, cls.closed):
            Build.objects.create(project=project, recipe=RECIPE)

    def seen(self, user) -> list[str]:
        projects = sorted(Project.objects.visible_to(user).values_list("slug", flat=True))
        builds = sorted(Build.objects.visible_to(user).values_list("project__slug", flat=True))
        self.assertEqual(projects, builds, "a build is seen where its project is")
        return projects

    def test_a_project_of_a_group_is_its_members_and_the_superusers(self):
        self.assertEqual(self.seen(self.alice), ["closed", "open"])
        self.assertEqual(self.seen(self.bob), ["closed", "open"], "once, though two of its groups are bob's")
        self.assertEqual(self.seen(self.stranger), ["open"])

    def test_nobody_sees_nothing(self):
        self.assertEqual(self.seen(AnonymousUser()), [])
        self.assertEqual(self.seen(self.left), [])

    @override_settings(BUILDBOARD_PUBLIC=True)
    def test_on_a_public_board_everybody_sees_what_no_group_owns(self):
        self.assertEqual(self.seen(AnonymousUser()), ["open"])
        self.assertEqual(self.seen(self.left), ["open"])
        self.assertEqual(self.seen(self.stranger), ["open"])
        self.assertEqual(self.seen(self.bob), ["closed", "open"])


class DataTests(TestCase):
    def test_times_are_iso_8601_in_utc(self):
        self.assertEqual(iso(NOW), "2026-01-02T03:04:05.678Z")
        self.assertIsNone(iso(None))

    def test_the_data_of_a_build_has_what_the_contract_names(self):
        project = Project.objects.create(name="One", slug="one", recipe=RECIPE)
        build = Build.objects.create(project=project, recipe=RECIPE, started_by="alice")
        Step.objects.create(build=build, position=0, name="say")
        data = build.data()
        for name in [
            "id",
            "project",
            "status",
            "reason",
            "progress",
            "eta_seconds",
            "created_at",
            "started_at",
            "finished_at",
        ]:
            self.assertIn(name, data)
        self.assertEqual((data["project"], data["status"], data["cancel_requested"]), ("one", "queued", False))
        step = data["steps"][0]
        self.assertEqual(
            {name: step[name] for name in ("name", "status", "exit_code", "started_at", "finished_at")},
            {"name": "say", "status": "pending", "exit_code": None, "started_at": None, "finished_at": None},
        )

    def test_a_running_build_tells_how_far_it_is(self):
        project = Project.objects.create(name="One", slug="one", recipe=RECIPE)
        ago = timezone.now() - timedelta(seconds=30)
        running = BUILD["running"] | {"started_at": ago}
        build = Build.objects.create(project=project, recipe=RECIPE, status="running", **running)
        Step.objects.create(
            build=build, position=0, name="say", status="running", started_at=ago, expected_seconds=60.0
        )
        self.assertAlmostEqual(build.data()["progress"], 0.5, delta=0.1)
        self.assertAlmostEqual(build.data()["eta_seconds"], 30, delta=6)
        self.assertAlmostEqual(build.duration, 30, delta=6)

    def test_the_world_is_a_name_that_stays(self):
        self.assertEqual(Board.get().world, Board.get().world)
        self.assertGreaterEqual(len(Board.get().world), 16)
