import html
import re
from datetime import timedelta
from unittest import mock

from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import TestCase, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from builds import beats
from builds.models import Build, Project
from builds.queue import outlook
from builds.web import front, views
from builds.web.rows import card, cards

RECIPE = "steps: [{name: compile, run: make}]"


class FrontCase(TestCase):
    def setUp(self) -> None:
        self.alice = User.objects.create_user("alice", password="a-long-password")
        self.alice.user_permissions.add(Permission.objects.get(codename="start_build"))
        self.client.force_login(self.alice, backend="django.contrib.auth.backends.ModelBackend")
        self.project = Project.objects.create(name="Lantern", slug="lantern", recipe=RECIPE)

    def build(self, status: str = "passed", **fields: object) -> Build:
        now = timezone.now()
        ran = {"worker": "w", "started_at": now, "finished_at": now} if status != "queued" else {}
        return Build.objects.create(**{"project": self.project, "recipe": RECIPE, "status": status} | ran | fields)

    def page(self, path: str = "/") -> str:
        answer = self.client.get(path)
        self.assertEqual(answer.status_code, 200)
        return html.unescape(answer.content.decode())

    def shown(self, path: str) -> set[int]:
        return {int(found) for found in re.findall(r'data-key="build-(\d+)"', self.page(path))}

    def become(self, name: str) -> User:
        user = User.objects.create_superuser(name, password="a-long-password")
        self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return user


class FilteredTest(FrontCase):
    def test_only_what_is_asked_for_is_shown_and_said_with_one_press_to_clear(self) -> None:
        failed, queued = self.build("failed", ref="main"), self.build("queued", ref="main")
        other = self.build("passed", started_by="bob")
        self.assertEqual(self.shown("/"), {failed.pk, queued.pk, other.pk})
        self.assertEqual(self.shown("/?branch=main"), {failed.pk, queued.pk})
        self.assertEqual(self.shown("/?branch=main&status=failed"), {failed.pk})
        self.assertEqual(self.shown("/?who=bob"), {other.pk})
        text = self.page("/?branch=main&status=failed")
        self.assertIn("Showing <b>failed builds on branch main</b>", text)
        self.assertIn('<a class="btn" id="clear" href="/">Clear</a>', text)
        self.assertIn('value="failed" checked', text)
        self.assertNotIn('id="clear"', self.page("/"))

    def test_the_form_works_without_a_script(self) -> None:
        self.assertRegex(self.page(), r'<form class="filter"[^>]* method="get" action="/">(?s:.*)<button')
        filled = "/?number=&project=lantern&status=failed&branch=&who=&when=&from=&to="
        self.assertRedirects(self.client.get(filled), "/?project=lantern&status=failed")
        self.assertRedirects(self.client.get("/?number=&project=&branch=&who=&when=&from=&to="), "/")

    def test_a_number_leads_to_its_build(self) -> None:
        build = self.build()
        self.assertRedirects(self.client.get(f"/?number=%23{build.pk}&status=lost"), build.get_absolute_url())
        for path, said in (
            ("/?number=9999", "There is no build 9999 that you may see."),
            ("/?number=x", "number: expected a build's number such as 42, not “x”."),
        ):
            self.assertIn(said, self.page(path))

    def test_a_number_tells_nothing_of_builds_that_one_may_not_see(self) -> None:
        build = self.build()
        self.project.groups.add(Group.objects.create(name="insiders"))
        self.assertIn(f"There is no build {build.pk} that you may see.", self.page(f"/?number={build.pk}"))
        text = self.page("/?project=lantern")
        self.assertIn("there is none called “lantern” that you may see", text)
        self.assertNotIn("Lantern", text)

    def test_wrong_values_are_named_and_whatever_was_typed_is_text(self) -> None:
        self.build()
        text = self.page("/?status=bad&when=ever&from=x&project=nothing&who=%00")
        for name in ("status", "when", "project", "who"):
            self.assertIn(f"<li>{name}: ", text)
        for part in ("branch", "who", "project", "status", "number"):
            answer = self.client.get("/", {part: "<script>alert(1)</script>"})
            self.assertNotContains(answer, "<script>alert")
            self.assertContains(answer, "&lt;script&gt;")

    def test_nothing_that_matches_says_so(self) -> None:
        self.build()
        text = self.page("/?branch=Main")
        self.assertIn("No build matches", text)
        self.assertIn("There are no builds on branch Main. Branches and people are compared to the letter.", text)
        self.assertIn('href="/">Show all builds</a>', text)

    def test_the_pages_of_the_history_keep_the_filter(self) -> None:
        with mock.patch.object(views, "PAGE", 2):
            ids = [self.build("failed").pk for _ in range(5)]
            self.build("passed")
            first = self.client.get("/?status=failed").content.decode()
            self.assertIn(f'href="?status=failed&amp;before={ids[3]}"', first)
            second = self.client.get(f"/?status=failed&before={ids[3]}").content.decode()
            self.assertIn('href="/?status=failed">Newest</a>', second)
            self.assertEqual(self.shown(f"/?status=failed&before={ids[3]}"), {ids[2], ids[1]})
            self.assertIn("No build matches before build 1", self.page("/?status=failed&before=1"))
            project = self.client.get("/projects/lantern/").content.decode()
            self.assertIn(f'href="?before={ids[4]}"', project)


class EmptyTest(FrontCase):
    def test_no_projects_for_who_may_add_them(self) -> None:
        Project.objects.all().delete()
        self.become("boss")
        self.assertIn('href="/admin/builds/project/add/">Add a project</a>', self.page())

    def test_no_projects_for_others_says_whom_to_ask(self) -> None:
        Project.objects.all().delete()
        self.assertIn("An administrator adds them", self.page())
        User.objects.create_superuser("boss", password="a-long-password")
        self.assertIn("Ask boss to add one, or to let you see one.", self.page())
        with override_settings(BUILDBOARD_PUBLIC=True):
            self.client.logout()
            self.assertNotIn("boss", self.page())

    def test_no_builds_leads_to_a_project_that_a_worker_can_run(self) -> None:
        self.assertIn('href="/projects/lantern/#start">Start one of Lantern</a>', self.page())
        Project.objects.create(name="Atlas", slug="atlas", recipe=RECIPE, runs_on="gpu")
        self.assertIn('href="/projects/lantern/#start"', self.page(), "without a worker: what any would take")
        Project.objects.create(name="Beacon", slug="beacon", recipe=RECIPE, enabled=False)
        beats.beat("w", labels="linux")
        self.assertIn('href="/projects/lantern/#start"', self.page())
        Project.objects.filter(slug="lantern").update(runs_on="darwin gpu")
        beats.beat("w", labels="gpu linux")
        self.assertIn('href="/projects/atlas/#start"', self.page())
        beats.beat("w", labels="gpu linux", draining=True)
        self.assertIn('href="/projects/atlas/#start"', self.page())
        self.assertIsNone(front.startable(list(Project.objects.filter(slug="beacon")), outlook()))
        self.alice.user_permissions.clear()
        text = self.page()
        self.assertIn('href="/projects/atlas/">Open Atlas</a>', text)
        self.assertIn("Starting one needs a permission that an administrator gives.", text)
        Project.objects.update(enabled=False)
        self.assertIn("No project starts builds: each of them is disabled.", self.page())

    def test_no_worker_says_that_builds_wait_and_how_one_is_started(self) -> None:
        self.assertIn("No worker is running: builds will wait.</b> An administrator starts one", self.page())
        self.become("boss")
        self.assertIn("<code>manage.py worker</code> starts one, on any machine", self.page())
        beats.beat("w")
        self.assertNotIn("builds will wait", self.page())

    def test_a_legend_is_shown_only_with_bars(self) -> None:
        self.assertNotIn("Bars:", self.page())
        build = self.build("queued")
        text = self.page()
        self.assertIn("Bars:", text)
        self.assertIn(f"<small>build {build.pk} queued</small>", text)


class QueriesTest(FrontCase):
    def queries(self, path: str = "/") -> int:
        with CaptureQueriesContext(connection) as seen:
            self.page(path)
        return len(seen)

    def test_their_number_does_not_grow_with_projects_and_builds(self) -> None:
        beats.beat("w")
        for status in ("passed", "queued"):
            self.build(status)
        self.build("running", lease_token="first", finished_at=None)
        self.page()
        few, filtered = self.queries(), self.queries("/?project=lantern")
        for number in range(30):
            other = Project.objects.create(name=f"p{number}", slug=f"p{number}", recipe=RECIPE)
            for status in ("passed", "failed", "queued"):
                self.build(status, project=other)
            self.build("running", project=other, lease_token=f"t{number}", finished_at=None)
        self.assertEqual((self.queries(), self.queries("/?project=lantern")), (few, filtered))
        self.assertLessEqual(few, 20)

    def test_cards_of_many_projects_are_what_each_would_be_alone(self) -> None:
        projects = [Project.objects.create(name=f"p{number}", slug=f"p{number}", recipe=RECIPE) for number in range(4)]
        now = timezone.now()
        for number in range(40):
            began = now - timedelta(seconds=number + 1)
            self.build("failed" if number % 7 == 0 else "passed", project=projects[number % 3], started_at=began)
        self.assertEqual(cards(projects), [card(project) for project in projects])
        self.assertEqual(
            [len(re.findall("M", one.spark.good + one.spark.bad)) for one in cards(projects)], [12] * 3 + [0]
        )
        self.assertEqual(cards([]), [])
        with self.assertNumQueries(1):
            cards(projects)
