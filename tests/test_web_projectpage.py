"""A project's page: its figures in words, drawings and tables, its badge, and what stands first."""

import re
from datetime import timedelta
from unittest import mock

from django.contrib.auth.models import Group
from django.test import override_settings
from django.utils import timezone

from builds import beats
from builds.models import Build, Project
from builds.states import Status
from builds.web import projectpage
from builds.web.history import Figures

from .pages import PagesCase, Within

PAGE = "/projects/lantern/"


class ProjectPageCase(PagesCase):
    def stored(self, *statuses: str, seconds: float = 40) -> list[Build]:
        """Builds that ended, the oldest first, without the steps of a real one."""
        now = timezone.now()
        made = [
            Build(
                project=self.project,
                recipe="x",
                status=status,
                worker="w",
                created_at=now - timedelta(seconds=seconds + 3),
                started_at=now - timedelta(seconds=seconds),
                finished_at=now,
            )
            for status in statuses
        ]
        return Build.objects.bulk_create(made)


class FiguresTest(ProjectPageCase):
    def test_an_empty_project_says_so_in_each_place(self) -> None:
        text = self.page(PAGE)
        for said in ("no finished builds yet", "nothing to count yet", "Each finished build is a mark here."):
            self.assertIn(said, text)
        self.assertIn("No builds yet", text)
        self.assertNotIn("data-x=", text)

    def test_one_build_is_one_point(self) -> None:
        (build,) = self.stored("passed")
        text = self.page(PAGE)
        self.assertEqual(text.count('class="pt passed"'), 1)
        self.assertIn('<div class="sec" data-live="figures-count"><h2>The last build</h2></div>', text)
        self.assertIn(
            '<span class="big">40 s</span> <span class="muted facts-of"><span>median duration</span></span>', text
        )
        self.assertIn(
            '<span class="big">100 %</span> <span class="muted facts-of"><span>passed</span> <span>1 of 1</span>',
            text,
        )
        self.assertNotIn("polyline", text)
        self.assertIn(f"<title>Build {build.pk} · passed · 40 s · waited 3 s · ", text)

    def test_every_status_has_a_silhouette_and_a_foot_where_it_did_not_pass(self) -> None:
        self.stored("passed", "failed", "cancelled", "lost")
        text = self.page(PAGE)
        for status in ("passed", "failed", "cancelled", "lost"):
            self.assertEqual(text.count(f'<g id="pt-{status}">'), 1)
            self.assertEqual(text.count(f'<use href="#pt-{status}"'), 1)
        self.assertEqual(text.count('<use href="#pt-foot"'), 3)
        self.assertIn("1 of 3, 1 cancelled left out", text)

    def test_figures_are_said_in_words(self) -> None:
        self.stored(*["passed"] * 50, seconds=30)
        self.stored(*["passed"] * 45, *["failed"] * 5, seconds=40)
        text = self.page(PAGE)
        self.assertIn("The last 50 builds", text)
        self.assertIn(
            "<span>median duration</span> <span>usually 40 s</span> <span>10 s longer than the 50 before</span>", text
        )
        self.assertIn("<span>passed</span> <span>45 of 50</span> <span>10 points less than the 50 before</span>", text)
        self.assertEqual(len(re.findall(r'class="pt \w+" data-x', text)), 50)

    def test_each_plot_is_a_table_too_with_every_build_in_it(self) -> None:
        builds = self.stored("passed", "failed")
        text = self.page(PAGE)
        self.assertEqual(text.count("Read as a table"), 2)
        for build in builds:
            self.assertIn(f'<td><a href="/builds/{build.pk}/">{build.pk}</a></td><td>{build.status}</td>', text)
        first, last = builds[0].pk, builds[-1].pk
        self.assertIn(f'<a href="?before={last + 1}#history">{first}–{last}</a>', text)

    def test_an_older_page_of_the_history_is_the_history_alone(self) -> None:
        builds = self.stored("passed", "failed")
        text = self.page(f"{PAGE}?before={builds[1].pk}")
        self.assertNotIn("data-plot", text)
        self.assertIn(f'data-key="build-{builds[0].pk}"', text)

    def test_steps_are_listed_slowest_first_and_the_one_that_fails_most_is_named(self) -> None:
        self.finished()
        failed = self.finished(Status.FAILED, "compile: exit code 2")
        text = self.page(PAGE)
        self.assertIn("<td>compile<svg", text)
        self.assertRegex(text, rf'Fails most: <b>compile</b>, in 1 of 2; last in <a href="/builds/{failed.pk}/">')
        with mock.patch.object(projectpage, "STEPS", 1):
            self.assertIn("and 1 more", self.page(PAGE))

    def test_the_number_of_queries_does_not_grow_with_builds(self) -> None:
        self.stored("passed")
        self.page(PAGE)
        with self.assertNumQueries(Within(23)):
            self.page(PAGE)
        self.stored(*["passed", "failed"] * 110)
        self.running()
        for _ in range(5):
            self.build()
        with self.assertNumQueries(Within(23)):
            self.page(PAGE)


class OrderTest(ProjectPageCase):
    def test_running_builds_come_first_then_those_that_wait_then_those_that_were(self) -> None:
        (over,) = self.stored("passed")
        running, _ = self.running()
        waiting = self.build()
        other = Project.objects.create(name="Other", slug="other", recipe=self.project.recipe)
        Build.objects.create(project=other, recipe="x")
        keys = re.findall(r'data-key="build-(\d+)"', self.page(PAGE))
        self.assertEqual(keys, [str(build.pk) for build in (running, waiting, over)])

    def test_the_mark_at_the_head_is_that_of_what_goes_on(self) -> None:
        def head() -> str:
            found = re.search(r'<span data-live="status"><i class="mark s-(\w+)"', self.page(PAGE))
            assert found
            return found[1]

        self.assertEqual(head(), "pending")
        self.stored("failed")
        self.assertEqual(head(), "failed")
        build = self.build()
        self.assertEqual(head(), "queued")
        build.delete()
        self.running()
        self.build()
        self.assertEqual(head(), "running")

    def test_status_needs_no_builds_at_all(self) -> None:
        self.assertEqual(projectpage.status(Figures(newest="lost"), runs=False, waits=False), "lost")


class NobodyTest(ProjectPageCase):
    def test_it_says_plainly_when_no_worker_can_run_it(self) -> None:
        self.assertIn("<b>No worker can run its builds:</b> no worker is running.", self.page(PAGE))
        beats.beat("a", labels="linux")
        self.assertNotIn("No worker can run", self.page(PAGE))
        Project.objects.update(runs_on="gpu")
        said = "<b>No worker can run its builds:</b> no living worker has the label gpu (1 worker lives)."
        self.assertIn(said, self.page(PAGE))
        beats.beat("b", labels="gpu", draining=True)
        self.assertIn("the worker with the label gpu is draining.", self.page(PAGE))
        Project.objects.update(enabled=False)
        self.assertNotIn("No worker can run", self.page(PAGE))


class BadgePartTest(ProjectPageCase):
    def test_it_shows_the_badge_and_what_to_copy(self) -> None:
        self.stored("failed")
        text = self.page(PAGE)
        self.assertIn("<title>Lantern: failed</title>", text)
        self.assertIn(
            'value="[![Lantern](http://testserver/projects/lantern/badge.svg)](http://testserver/projects/lantern/)"',
            text,
        )
        self.assertIn('readonly spellcheck="false" value="&lt;a href=&quot;http://testserver/projects/lantern/', text)

    def test_it_says_who_sees_it(self) -> None:
        self.assertIn("Seen by those who may see this project", self.page(PAGE))
        with override_settings(BUILDBOARD_PUBLIC=True):
            self.assertIn("Everyone who reaches this board sees it.", self.page(PAGE))
            group = Group.objects.create(name="insiders")
            self.alice.groups.add(group)
            self.project.groups.add(group)
            self.assertIn("Seen by those who may see this project", self.page(PAGE))

    def test_whatever_a_project_or_a_step_is_called_is_text(self) -> None:
        hostile = "</title><script>alert(1)</script>"
        Project.objects.update(name=hostile, recipe="steps: [{name: 'a<b>&\"', run: x}]")
        self.stored("passed")
        text = self.page(PAGE)
        self.assertNotIn("<script>alert", text)
        self.assertIn("a&lt;b&gt;&amp;&quot;", text)


class WhoTest(ProjectPageCase):
    def test_a_stranger_sees_figures_only_of_what_they_may_see(self) -> None:
        self.stored("passed")
        self.as_user(self.stranger)
        self.assertIn("<span>passed</span> <span>1 of 1</span>", self.page(PAGE))
        self.project.groups.add(Group.objects.create(name="insiders"))
        self.assertNotIn("Lantern", self.page(PAGE, 404))
        self.as_user(None)
        self.assertRedirects(self.client.get(PAGE), f"/accounts/login/?next={PAGE}")

    @override_settings(BUILDBOARD_PUBLIC=True)
    def test_a_public_board_shows_them_to_everyone(self) -> None:
        self.stored("passed")
        self.as_user(None)
        text = self.page(PAGE)
        self.assertIn("<span>passed</span> <span>1 of 1</span>", text)
        self.assertIn("Everyone who reaches this board sees it.", text)
