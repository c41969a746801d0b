"""The API as a program meets it: shapes, and refusals that name what is wrong."""

import json

from django.contrib.auth.models import Permission
from django.test import override_settings, tag

from builds import lifecycle
from builds.models import Build, Project
from builds.web import schemas

from .asking import ApiCase


@tag("fast")
class ProjectsTests(ApiCase):
    def test_projects_are_listed_with_their_last_build_in_a_fixed_number_of_queries(self) -> None:
        build = lifecycle.enqueue(self.open, by="alice")
        with self.assertNumQueries(4):  # token, its use, projects, last builds
            items = self.ask("GET", "/projects").json()["items"]
        self.assertEqual([item["slug"] for item in items], ["open", "secret"])
        self.assertEqual(items[0]["last_build"]["id"], build.pk)
        self.assertEqual(items[0]["last_build"]["url"], f"http://testserver/builds/{build.pk}/")
        self.assertIsNone(items[1]["last_build"])

    def test_a_stranger_is_not_told_that_a_project_of_others_exists(self) -> None:
        slugs = [item["slug"] for item in self.ask("GET", "/projects", token=self.strange_token).json()["items"]]
        self.assertEqual(slugs, ["open"])
        self.assert_problem(self.ask("GET", "/projects/secret", token=self.strange_token), 404, "secret")
        answer = self.ask("POST", "/projects/secret/builds", token=self.strange_token)
        self.assert_problem(answer, 404)
        self.assertEqual(self.ask("GET", "/projects/secret").json()["name"], "Secret")


@tag("fast")
class StartTests(ApiCase):
    def test_a_start_without_a_body_answers_201_and_where_to_look(self) -> None:
        answer = self.ask("POST", "/projects/open/builds")
        self.assertEqual(answer.status_code, 201, answer.content)
        build = Build.objects.get()
        self.assertEqual(
            answer.json(),
            {
                "id": build.pk,
                "status": "queued",
                "url": f"http://testserver/builds/{build.pk}/",
                "events_url": f"http://testserver/builds/{build.pk}/events/",
            },
        )
        self.assertEqual(answer["Location"], f"http://testserver/api/v1/builds/{build.pk}")
        self.assertEqual(build.started_by, "alice (ci)")

    def test_ref_is_kept_and_null_is_no_body(self) -> None:
        self.assertEqual(self.ask("POST", "/projects/open/builds", {"ref": "main", "inputs": {}}).status_code, 201)
        self.assertEqual(Build.objects.get().ref, "main")
        self.assertEqual(self.ask("POST", "/projects/open/builds", b"null").status_code, 201)

    def test_the_same_key_is_the_same_build_and_another_users_key_is_another(self) -> None:
        first = self.ask("POST", "/projects/open/builds", **{"Idempotency-Key": "k"}).json()["id"]
        self.assertEqual(self.ask("POST", "/projects/open/builds", **{"Idempotency-Key": "k"}).json()["id"], first)
        other = self.ask("POST", "/projects/open/builds", {"ref": "other"}, **{"Idempotency-Key": "k"})
        self.assert_problem(other, 422, f"build {first}")
        self.stranger.user_permissions.add(Permission.objects.get(codename="start_build"))
        answer = self.ask("POST", "/projects/open/builds", token=self.strange_token, **{"Idempotency-Key": "k"})
        self.assertNotEqual(answer.json()["id"], first)
        bad = self.ask("POST", "/projects/open/builds", **{"Idempotency-Key": "k" * 256})
        self.assert_problem(bad, 422, "Idempotency-Key", "255")
        self.assertEqual([one["at"] for one in bad.json()["errors"]], ["Idempotency-Key"])

    def test_a_start_of_a_repository_is_known_again_by_what_was_given(self) -> None:
        Project.objects.filter(pk=self.open.pk).update(repository="https://forge.example/a/b.git", recipe="")
        body = {"inputs": {"note": "one\r\ntwo", "count": 4}}
        self.assertEqual(self.ask("POST", "/projects/open/builds", body).status_code, 201)
        first, again = (self.ask("POST", "/projects/open/builds", body, **{"Idempotency-Key": "k"}) for _ in range(2))
        self.assertEqual((first.status_code, first.json()["id"]), (201, again.json()["id"]))
        other = self.ask("POST", "/projects/open/builds", {"inputs": {"note": "x"}}, **{"Idempotency-Key": "k"})
        self.assert_problem(other, 422, "something else")

    def test_a_stranger_may_look_and_not_start(self) -> None:
        answer = self.ask("POST", "/projects/open/builds", token=self.strange_token)
        self.assert_problem(answer, 403, "stranger may not start builds")
        self.assertFalse(Build.objects.exists())

    def test_unknown_and_disabled_projects_say_so(self) -> None:
        self.assert_problem(self.ask("POST", "/projects/nowhere/builds"), 404, "nowhere")
        Project.objects.filter(slug="open").update(enabled=False)
        self.assert_problem(self.ask("POST", "/projects/open/builds"), 409, "disabled")

    def test_a_full_queue_is_429_and_asks_to_come_back(self) -> None:
        first = lifecycle.enqueue(self.open, by="alice")
        with override_settings(BUILDBOARD_MAX_QUEUED=1):
            answer = self.ask("POST", "/projects/open/builds")
            self.assert_problem(answer, 429, "The queue is full (1 builds at most)")
            self.assertEqual(answer["Retry-After"], "60")
            Build.objects.filter(pk=first.pk).update(status="cancelled", finished_at="2026-01-01T00:00Z")
            lifecycle.enqueue(self.open, by="alice")
            self.assert_problem(self.ask("POST", f"/builds/{first.pk}/retry"), 429, "The queue is full")
        self.assertEqual(Build.objects.count(), 2)

    def test_a_project_says_where_and_how_many_of_its_builds_run(self) -> None:
        Project.objects.filter(slug="open").update(runs_on="gpu", max_running=2)
        found = self.ask("GET", "/projects/open").json()
        self.assertEqual((found["runs_on"], found["max_running"]), ("gpu", 2))

    def test_a_project_says_what_its_builds_take(self) -> None:
        Project.objects.filter(slug="open").update(recipe="inputs: {n: {type: number}}\nsteps: [{name: a, run: x}]")
        found = self.ask("GET", "/projects/open").json()["inputs"]
        self.assertEqual((found["required"], found["properties"]["n"]["type"]), (["n"], "number"))
        Project.objects.filter(slug="open").update(recipe="steps: 1")
        self.assertIsNone(self.ask("GET", "/projects/open").json()["inputs"])

    def test_bodies_that_do_not_fit_are_told_what_was_expected(self) -> None:
        for body, status, text in (
            (b"{", 400, "not JSON"),
            (b"\xff\xfe", 400, "not JSON"),
            (b"[" * 50_000, 400, "not JSON"),
            ([], 422, ""),
            ({"ref": 7}, 422, "ref"),
            ({"ref": "x" * 300}, 422, "200"),
            ({"ref": "-x"}, 422, "ref"),
            ({"ref": "a\u0000b"}, 422, "ref"),
            (b'{"ref": "\\ud800"}', 422, "ref"),
            ({"branch": "main"}, 422, "branch"),
            ({"inputs": {"speed": 1}}, 422, "speed"),
            ({"inputs": []}, 422, "inputs"),
        ):
            with self.subTest(body=body if len(body) < 100 else "long"):
                found = self.assert_problem(self.ask("POST", "/projects/open/builds", body), status, text)
                if text == "ref":
                    self.assertEqual([one["at"] for one in found["errors"]], ["ref"])
                    self.assertIn("expected", found["errors"][0]["expected"])
        self.assertFalse(Build.objects.exists())

    def test_inputs_that_do_not_fit_are_told_what_was_expected(self) -> None:
        self.open.recipe = "inputs: {a: {}, b: {default: ''}, c: {default: ''}, d: {default: ''}, e: {default: ''}}\n"
        self.open.recipe += "steps: [{name: say, run: echo}]"
        self.open.save()
        digits = b"1" + b"0" * 3_000
        for body, text in (
            ({}, "Input a: it has no default"),
            ({"inputs": {"a": ""}}, "Input a: it has no default"),
            (b'{"inputs": {"a": 1e999}}', "Input a: expected text of up to 2,000 characters"),
            (b'{"inputs": {"a": %b}}' % digits, "Input a: expected text"),
            ({"inputs": {"a": "x\u0085"}}, "without control characters other than tabs and line feeds"),
            (
                {"inputs": dict.fromkeys("abcde", "x" * 2_000)},
                "Inputs: expected at most 8,192 bytes in all, names and values as JSON and defaults included, "
                "not 10,036.",
            ),
        ):
            with self.subTest(text=text):
                self.assert_problem(self.ask("POST", "/projects/open/builds", body), 422, text)
        self.assertFalse(Build.objects.exists())
        self.assertEqual(self.ask("POST", "/projects/open/builds", {"inputs": {"a": "1\u00a0€"}}).status_code, 201)

    def test_a_body_of_one_mebibyte_and_one_of_three_are_413(self) -> None:
        for size in (2**20, 3 * 2**20):
            self.assert_problem(self.ask("POST", "/projects/open/builds", b" " * size), 413, "256 KiB")


@tag("fast")
class BuildsTests(ApiCase):
    def test_a_build_is_its_data_and_the_document_knows_every_field(self) -> None:
        build = lifecycle.enqueue(self.open, by="alice")
        found = self.ask("GET", f"/builds/{build.pk}").json()
        self.assertEqual(set(found), set(schemas.BuildDetail.model_fields))
        self.assertEqual(found.pop("queue"), {"position": 1, "reason": "no worker is running"})
        self.assertEqual(found, json.loads(json.dumps(build.data())))
        self.assertEqual(set(found), set(schemas.BuildItem.model_fields))
        self.assertEqual(set(found["steps"][0]), set(schemas.StepItem.model_fields))

    def test_pages_go_back_to_the_first_build_and_queries_do_not_grow(self) -> None:
        ids = [lifecycle.enqueue(self.open, by="alice").pk for _ in range(5)]
        self.ask("GET", "/builds")
        with self.assertNumQueries(4):  # token, the project, builds with projects, steps
            page = self.ask("GET", "/builds?limit=2&status=queued&project=open").json()
        seen = [item["id"] for item in page["items"]]
        while page["next"]:
            page = self.client.get(page["next"], headers={"Authorization": f"Bearer {self.token}"}).json()
            seen += [item["id"] for item in page["items"]]
        self.assertEqual(seen, ids[::-1])

    def test_filters_that_make_no_sense_are_422_and_numbers_that_are_too_large_are_404(self) -> None:
        for query in ("before=0", "before=x", f"before={10**30}", "status=odd", "project=a%00b", "limit=1000"):
            with self.subTest(query):
                self.assert_problem(self.ask("GET", f"/builds?{query}"), 422, query.split("=")[0])
        for number in ("0", "9" * 19, "9" * 40, "9" * 5000):
            with self.subTest(number[:40]):
                self.assert_problem(self.ask("GET", f"/builds/{number}"), 404)
                self.assert_problem(self.ask("POST", f"/builds/{number}/cancel"), 404)

    def test_only_a_queued_build_has_a_place(self) -> None:
        build = lifecycle.enqueue(self.open, by="alice")
        lifecycle.cancel(build.pk, by="alice")
        self.assertIsNone(self.ask("GET", f"/builds/{build.pk}").json()["queue"])

    def test_a_strangers_lists_hold_nothing_of_others(self) -> None:
        build = lifecycle.enqueue(self.secret, by="alice")
        self.assertEqual(self.ask("GET", "/builds", token=self.strange_token).json(), {"items": [], "next": None})
        for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
            answer = self.ask(method, f"/builds/{build.pk}{path}", token=self.strange_token)
            self.assert_problem(answer, 404)
        build.refresh_from_db()
        self.assertEqual(build.status, "queued")

    def test_cancel_ends_a_queued_build_and_a_second_one_says_that_it_has_ended(self) -> None:
        build = lifecycle.enqueue(self.open, by="alice")
        self.assert_problem(self.ask("POST", f"/builds/{build.pk}/cancel", token=self.strange_token), 403)
        answer = self.ask("POST", f"/builds/{build.pk}/cancel")
        self.assertEqual((answer.status_code, answer.json()["status"]), (200, "cancelled"))
        self.assertEqual(answer.json()["cancelled_by"], "alice (ci)")
        self.assert_problem(self.ask("POST", f"/builds/{build.pk}/cancel"), 409, "already ended")

    def test_cancel_of_a_running_build_is_a_wish(self) -> None:
        build = lifecycle.enqueue(self.open, by="alice")
        lifecycle.claim("worker", "t" * 32)
        for _ in range(2):
            answer = self.ask("POST", f"/builds/{build.pk}/cancel").json()
            self.assertEqual((answer["status"], answer["cancel_requested"]), ("running", True))

    def test_retry_is_a_new_build_of_a_finished_one(self) -> None:
        build = lifecycle.enqueue(self.open, by="alice", ref="main")
        self.assert_problem(self.ask("POST", f"/builds/{build.pk}/retry"), 409, "still queued")
        lifecycle.cancel(build.pk, by="alice")
        self.assert_problem(self.ask("POST", f"/builds/{build.pk}/retry", token=self.strange_token), 403)
        answer = self.ask("POST", f"/builds/{build.pk}/retry", **{"Idempotency-Key": "again"})
        self.assertEqual(answer.status_code, 201)
        again = Build.objects.get(pk=answer.json()["id"])
        self.assertEqual((again.retry_of_id, again.ref), (build.pk, "main"))
        same = self.ask("POST", f"/builds/{build.pk}/retry", **{"Idempotency-Key": "again"})
        self.assertEqual(same.json()["id"], again.pk)
