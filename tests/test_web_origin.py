"""What a build is of, on its page and in the API."""

import html
import re
from datetime import UTC, datetime

from django.contrib.auth.models import User
from django.test import TestCase, override_settings, tag
from django.urls import reverse

from builds import lifecycle, plans
from builds.models import Build, Changes, Project, Step
from builds.source import Commit, Source
from builds.web import origin

RECIPE = "steps: [{name: a, run: 'true'}]"
COMMIT = "0123456789abcdef" * 2 + "01234567"
OLD = "f" * 40


@tag("fast")
class OriginTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.project = Project.objects.create(
            name="Widgets", slug="w", repository="git@github.com:acme/widgets.git", branch="main", recipe=RECIPE
        )
        cls.passed = lifecycle.enqueue(cls.project, by="alice")
        source = Source("push", "main", "", COMMIT, "Mend <the> thing", "Ada")
        cls.build = lifecycle.enqueue(cls.project, by="hook", ref="main", source=source)
        Build.objects.filter(pk=cls.build.pk).update(committed_at=datetime(2024, 2, 3, tzinfo=UTC))
        commits = [
            {
                "commit": f"{number:040x}",
                "title": f"Change {number}",
                "author": "Ada",
                "at": "2024-02-03T04:05:06+02:00",
            }
            for number in range(50)
        ]
        Changes.objects.create(build=cls.build, since=OLD, since_build=cls.passed, count=60, commits=commits)

    def setUp(self) -> None:
        self.client.force_login(User.objects.create_user("viewer"))

    def page(self, build: Build) -> str:
        return self.client.get(build.get_absolute_url()).content.decode()

    def test_the_page_has_the_commit_with_its_link_and_what_is_new(self) -> None:
        page = self.page(self.build)
        self.assertInHTML(
            f'<a href="https://github.com/acme/widgets/commit/{COMMIT}" rel="noreferrer" title="{COMMIT}">'
            "<code>012345678</code></a>",
            page,
        )
        self.assertIn("<span>push to main</span>", page)
        self.assertIn("<b>Mend &lt;the&gt; thing</b> by Ada, <time", page)
        self.assertIn("60 commits since", page)
        self.assertInHTML(f'<a href="/builds/{self.passed.pk}/">build {self.passed.pk}</a>', page)
        self.assertIn("Change 19 ", page)
        self.assertNotIn("Change 20 ", page)
        self.assertIn("and 40 more", page)

    def test_where_nothing_is_known_nothing_is_shown(self) -> None:
        page = self.page(self.passed)
        self.assertIn('<span id="origin" class="origin" hidden></span>', page)
        self.assertInHTML('<section class="panel changes" id="changes" aria-label="Changes" hidden></section>', page)

    def test_whose_recipe_it_runs_is_said_once_that_is_known(self) -> None:
        def told() -> tuple[str, str, bool]:
            build = Build.objects.get(pk=self.build.pk)
            data = self.client.get(f"/api/v1/builds/{build.pk}").json()
            found = re.search(r'data-slot="recipe" title="([^"]*)"( hidden)?>', self.page(build))
            assert found is not None
            self.assertEqual(bool(found[2]), not found[1])
            return html.unescape(found[1]), data["recipe_path"], data["recipe_known"]

        self.assertEqual(told(), ("", "", False))
        lifecycle.cancel(self.passed.pk, by="alice")
        with self.captureOnCommitCallbacks(execute=True):
            lease = lifecycle.claim("test:1", "t" * 32)
        assert lease is not None and lease.build_id == self.build.pk

        def adopt(text: str | None, path: str) -> None:
            plan = plans.at_commit(Build.objects.get(pk=self.build.pk), text)
            with self.captureOnCommitCallbacks(execute=True):
                lifecycle.adopt(lease, plan, path)

        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.checked_out(lease, Commit(COMMIT))
        self.assertEqual(told(), ("", "", False))
        adopt(None, "")
        self.assertEqual(told(), ("the project's own", "", True))
        adopt(RECIPE, "ci.yml")
        self.assertEqual(told(), ("ci.yml", "ci.yml", True))

    def test_the_image_of_all_steps_is_a_fact_and_others_stand_beside_their_steps(self) -> None:
        self.passed.steps.update(image="debian:12")
        page = self.page(self.passed)
        self.assertIn('data-slot="image" title="debian:12">debian:12</dd>', page)
        self.assertNotIn(">in debian:12", page)
        Step.objects.create(build=self.passed, position=2, name="b", image="alpine:3.20")
        page = self.page(self.passed)
        self.assertIn('data-slot="image" title="" hidden></dd>', page)
        self.assertIn('title="in alpine:3.20">in alpine:3.20</p>', page)
        told = self.client.get(f"/api/v1/builds/{self.passed.pk}").json()["steps"]
        self.assertEqual([step["image"] for step in told], ["debian:12", "debian:12", "alpine:3.20"])

    def test_how_it_is_told(self) -> None:
        def said(count: int, gone: int) -> str:
            Changes.objects.update(count=count, gone=gone)
            return str(origin.changes(self.build)["said"])

        self.assertEqual(said(1, 0), "1 commit since")
        self.assertEqual(said(2, 3), "2 commits, 3 commits gone since")
        self.assertEqual(said(0, 3), "3 commits fewer than")
        self.assertEqual(said(0, 0), "The same commit as")
        build = Build(repository="", ref="main", pull_request=7, branch="main", commit=COMMIT)
        self.assertEqual((origin.of(build).where, origin.of(build).page), ("", ""))
        self.assertEqual(origin.of(Build(tag="v1", branch="main")).where, "v1")

    def test_a_repository_is_shown_as_people_say_it(self) -> None:
        def shown(text: str) -> tuple[str, str]:
            found = origin.repository(Project(repository=text))
            return found["shown"], found["page"]

        self.assertEqual(shown("git@github.com:a/b.git"), ("github.com/a/b", "https://github.com/a/b"))
        self.assertEqual(shown("https://git.example/a/b"), ("https://git.example/a/b", ""))
        self.assertEqual(shown("javascript:alert(1)"), ("javascript:alert(1)", ""))
        with override_settings(BUILDBOARD_LOCAL_REPOSITORIES=["/srv"]):
            self.assertEqual(shown("/srv/github/w"), ("/srv/github/w", ""))
        page = self.client.get(self.project.get_absolute_url()).content.decode()
        self.assertIn('<a href="https://github.com/acme/widgets" rel="noreferrer">github.com/acme/widgets</a>', page)

    def test_the_project_page_shows_the_recipe_that_was_found_and_asks_for_its_inputs(self) -> None:
        found = "inputs: {where: {type: text, default: here}}\nsteps: [{name: found, run: x}]"
        lifecycle.remember_recipe(self.project.pk, found, COMMIT)
        page = self.client.get(self.project.get_absolute_url()).content.decode()
        self.assertIn("name: found", page)
        self.assertIn(".buildboard.yml at <code>012345678</code>", page)
        User.objects.filter(username="viewer").update(is_superuser=True)
        page = self.client.get(self.project.get_absolute_url()).content.decode()
        self.assertIn('name="input-where"', page)
        Project.objects.update(recipe="", found_recipe="")
        page = self.client.get(self.project.get_absolute_url()).content.decode()
        self.assertIn("none has yet", page)
        self.assertNotIn("not valid", page)

    def test_the_api(self) -> None:
        answer = self.client.get(f"/api/v1/builds/{self.build.pk}/changes").json()
        self.assertEqual((answer["since"], answer["since_build"], answer["count"]), (OLD, self.passed.pk, 60))
        self.assertEqual(len(answer["commits"]), 50)
        self.assertEqual(self.client.get(f"/api/v1/builds/{self.passed.pk}/changes").status_code, 404)
        told = self.client.get(f"/api/v1/builds/{self.build.pk}").json()
        self.assertEqual((told["repository"], told["commit"]), (self.project.repository, COMMIT))
        self.assertEqual(self.client.get("/api/v1/projects/w").json()["branch"], "main")
        self.client.logout()
        self.assertEqual(self.client.get(f"/api/v1/builds/{self.build.pk}/changes").status_code, 401)

    def test_a_ref_that_is_none_is_refused_at_the_start(self) -> None:
        User.objects.filter(username="viewer").update(is_superuser=True)
        for ref in ("a..b", "a b", "main~1"):
            answer = self.client.post(reverse("start", args=["w"]), {"ref": ref})
            self.assertContains(answer, "ot a branch, tag or commit", status_code=422)
        Project.objects.update(repository="ext::id")
        answer = self.client.post(reverse("start", args=["w"]), {"ref": "main"})
        self.assertContains(answer, "cannot be fetched from: helpers of git", status_code=409)
