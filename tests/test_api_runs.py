"""Builds that run outside, as a program tells of them over the API."""

import json
from datetime import timedelta
from typing import Any

from django.test import override_settings, tag
from django.utils import timezone

from builds import access, lifecycle, printed
from builds.models import After, Build, FollowUp, Outgoing, Project, Target
from builds.outbox import targets

from .asking import ApiCase

LEASE = "0123456789abcdef" * 2
WRITES = (("renew", {}), ("step", {"head": 1, "step": 0}), ("finish", {"head": 1, "status": "passed"}))


@tag("fast")
class RunsTests(ApiCase):
    def begin(self, token: str = "", slug: str = "open", **more: Any) -> Any:
        body = {"lease": LEASE, "steps": ["make all"], "where": "laptop"} | more
        return self.ask("POST", f"/projects/{slug}/runs", body, token=token)

    def tell(self, verb: str, token: str = "", **more: Any) -> Any:
        build = Build.objects.order_by("-id").values_list("pk", flat=True).first()
        return self.ask("POST", f"/runs/{build}/{verb}", {"lease": LEASE} | more, token=token)

    def test_from_the_beginning_to_the_end(self) -> None:
        answer = self.begin(branch="main", commit="a" * 40, commit_title="Make it work", commit_author="Alice")
        self.assertEqual(answer.status_code, 201, answer.content)
        said = answer.json()
        build = Build.objects.get()
        self.assertEqual((said["id"], said["status"], said["head"]), (build.pk, "running", 1))
        self.assertEqual((said["lease_seconds"], said["most_bytes"]), (120, 256 * 1024))
        self.assertEqual(self.begin().json()["id"], build.pk)
        self.assertEqual((build.started_by, build.worker, build.branch), ("alice (ci)", "laptop", "main"))
        head = said["head"]
        for verb, more in (
            ("step", {"step": 0}),
            ("log", {"chunks": [{"step": 0, "line": 1, "lines": ["::group::one", "\x1b]0;no\x07two"]}]}),
            ("log", {"chunks": [{"step": 0, "line": 3, "lines": ["three"]}], "over": [0]}),
            ("end", {"step": 0, "status": "failed", "exit_code": 2, "reason": "Exit code 2."}),
        ):
            answer = self.tell(verb, head=head, **more)
            self.assertEqual(answer.status_code, 200, answer.content)
            self.assertGreater(answer.json()["head"], head)
            self.assertEqual(self.tell(verb, head=head, **more).json(), answer.json())  # its answer was lost
            head = answer.json()["head"]
        self.assertEqual(self.tell("renew").json(), {"head": head, "cancel_requested": False, "status": "running"})
        answer = self.tell("finish", head=head, status="failed", reason="It said no.")
        self.assertEqual(answer.json(), {"head": head + 1, "cancel_requested": False, "status": "failed"})
        self.assertEqual(self.tell("finish", head=head, status="failed").json(), answer.json())
        found = self.ask("GET", f"/builds/{build.pk}").json()
        self.assertEqual((found["status"], found["outside"], found["steps"][0]["exit_code"]), ("failed", True, 2))
        lines = [line.text for line in printed.lines(build.pk, 0, 1, 10)]
        self.assertEqual(lines, ["::group::one", "two", "three"])
        self.assert_problem(self.ask("POST", f"/builds/{build.pk}/retry"), 409, "only there")

    def test_a_step_that_there_is_not_is_said_to_be_none(self) -> None:
        self.begin()
        for verb, more in (("step", {}), ("end", {"status": "failed"})):
            with self.subTest(verb):
                self.assert_problem(self.tell(verb, head=1, step=99, **more), 409, "has no step 99")

    def test_it_took_as_long_as_it_took(self) -> None:
        self.begin()
        began = timezone.now() - timedelta(seconds=100)
        Build.objects.update(created_at=began, started_at=began)
        self.assertEqual(self.tell("finish", head=1, status="passed").status_code, 200)
        self.assertGreaterEqual(Build.objects.get().finished_at, began + timedelta(seconds=100))

    def test_no_forge_is_told_and_nothing_follows(self) -> None:
        """Who may start builds says what commit it is, and that it passed: that is no ground to merge or to deploy."""
        targets.save(Target(project=self.open, kind="github", place="acme/rocket", address="https://git.example"), "t")
        targets.save(Target(project=self.open, kind="mail", address="team@example.org", tells="passed"))
        After.objects.create(project=self.secret, upstream=self.open)
        self.begin(commit="a" * 40, branch="main")
        self.assertEqual(self.tell("finish", head=1, status="passed").json()["status"], "passed")
        self.assertEqual(list(Outgoing.objects.values_list("target__kind", "what")), [("mail", "passed")])
        self.assertFalse(FollowUp.objects.exists())

    def test_who_may(self) -> None:
        self.assert_problem(self.begin(token=self.strange_token), 403, "may not start builds")
        self.assert_problem(self.begin(token=self.strange_token, slug="secret"), 404)
        self.assert_problem(self.begin(token=access.new_token(self.alice, scopes=("read",))), 403, "'start'")
        self.begin()
        for verb, more in WRITES:
            self.assert_problem(self.tell(verb, token=self.strange_token, **more), 403)
        Build.objects.update(project=self.secret)
        self.assert_problem(self.tell("renew", token=self.strange_token), 404)
        self.assertEqual(self.tell("renew", token=access.new_token(self.alice, scopes=("start",))).status_code, 200)

    def test_a_lease_that_is_lost_says_so(self) -> None:
        build = self.begin().json()["id"]
        self.assertTrue(self.assert_problem(self.tell("step", head=7, step=0), 409)["lost"])
        lifecycle.lose(build, LEASE, "gone")
        for verb, more in WRITES:
            with self.subTest(verb):
                self.assertTrue(self.assert_problem(self.tell(verb, **more), 409, "nothing more")["lost"])
        lifecycle.enqueue(self.open, by="alice")
        lifecycle.claim("worker", LEASE[::-1])
        answer = self.ask("POST", f"/runs/{build + 1}/finish", {"lease": LEASE[::-1], "head": 2, "status": "passed"})
        self.assertTrue(self.assert_problem(answer, 409)["lost"])
        self.assertEqual(Build.objects.get(pk=build + 1).status, "running")

    def test_a_cancel_is_heard_and_told(self) -> None:
        build = self.begin().json()["id"]
        self.ask("POST", f"/builds/{build}/cancel")
        self.assertTrue(self.tell("renew").json()["cancel_requested"])
        head = self.tell("stopping", head=1).json()["head"]
        self.assertEqual(self.tell("finish", head=head, status="passed").json()["status"], "cancelled")

    def test_what_does_not_fit_is_named(self) -> None:
        for more, text in (
            ({"lease": "short"}, "lease"),
            ({"steps": []}, "steps"),
            ({"steps": ["a", "a"]}, "a name of its own"),
            ({"steps": ["a\nb"]}, "steps"),
            ({"steps": ["x" * 300]}, "steps"),
            ({"where": ""}, "where"),
            ({"commit": "abc"}, "commit"),
            ({"ref": "--upload-pack=x"}, "ref"),
            ({"unknown": 1}, "unknown"),
        ):
            with self.subTest(more):
                self.assert_problem(self.begin(**more), 422, text)
        self.assertFalse(Build.objects.exists())
        self.begin()
        self.assertEqual(self.tell("step", head=1, step=0).status_code, 200)
        head = Build.objects.get().head
        for chunks in (
            [{"step": 0, "line": 2, "lines": ["x"]}],
            [{"step": 1, "line": 1, "lines": ["x"]}],
        ):
            self.assert_problem(self.tell("log", head=head, chunks=chunks), 409)
        for chunk in ({"line": 0}, {"lines": []}, {"lines": ["x"] * 1001}, {"lines": [1]}, {"step": -1}):
            chunks = [{"step": 0, "line": 1, "lines": ["x"]} | chunk]
            self.assert_problem(self.tell("log", head=head, chunks=chunks), 422, "chunks")
        self.assert_problem(self.tell("step", head=head, step=0), 409, "cannot become running")
        self.assert_problem(self.tell("end", head=head, step=0, status="passed", exit_code=1), 422, "exit_code")
        self.assertEqual(Build.objects.get().head, head)

    def test_a_disabled_project_and_a_lease_of_another_project(self) -> None:
        self.begin()
        self.assert_problem(self.begin(slug="secret"), 409, "another build's")
        Project.objects.update(enabled=False)
        self.assert_problem(self.begin(lease="b" * 32), 409, "disabled")

    @override_settings(BUILDBOARD_LEASE_SECONDS=600)
    def test_it_is_told_how_long_it_may_be_silent(self) -> None:
        self.assertEqual(json.loads(self.begin().content)["lease_seconds"], 600)
