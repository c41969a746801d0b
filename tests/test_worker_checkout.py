"""Whole builds of repositories: the checkout as their first step, the recipe of the commit, and what goes wrong."""

import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from django.test import override_settings

from builds import events, lifecycle, schedules
from builds.models import Build, Changes, Credential, Project, Schedule
from builds.source import Source
from builds.web import origin
from tests.support.processes import eventually
from tests.support.repositories import HttpGit, Origin, silent_server
from tests.test_worker_runner import RunnerCase

RECIPE = """\
steps:
  - name: show
    run: cat a.txt; git log --oneline | wc -l; env | grep BUILDBOARD_ | sort
"""
PASSWORD = "geheim-a81f"


class RepositoryCase(RunnerCase):
    def setUp(self) -> None:
        super().setUp()
        elsewhere = tempfile.TemporaryDirectory(prefix="bb-origin-")
        self.addCleanup(elsewhere.cleanup)
        self.srv = Path(os.path.realpath(elsewhere.name))
        self.origin = Origin(self.srv / "widgets")
        allowed = override_settings(BUILDBOARD_LOCAL_REPOSITORIES=[str(self.srv)])
        allowed.enable()
        self.addCleanup(allowed.disable)

    def project(self, **fields: Any) -> Project:
        return Project.objects.create(name="w", slug="w", **{"repository": str(self.origin.path)} | fields)

    def build(self, project: Project, *, during: Any = None, **start: Any) -> Build:
        lifecycle.enqueue(project, by="alice", **start)
        lease = lifecycle.claim("test:1", os.urandom(16).hex())
        assert lease is not None
        if during is not None:
            self.meanwhile(lambda: during(lease))
        return self.run_lease(lease)

    def names(self, build: Build) -> list[str]:
        return [step.name for step in build.steps.order_by("position")]


class CommitTest(RepositoryCase):
    def test_the_commits_recipe_is_run_in_a_checkout_of_it(self) -> None:
        commit = self.origin.commit({"a.txt": "hello\n", ".buildboard.yml": RECIPE}, "Say hello")
        project = self.project()
        build = self.build(project)
        self.assertEqual((build.status, build.reason), ("passed", ""))
        self.assertEqual((self.names(build), self.steps(build)), (["check out", "show"], ["passed", "passed"]))
        log = self.log(build, 1)
        self.assertEqual(log[:2], ["hello", "1"])
        given = dict(line.split("=", 1) for line in log[2:])
        self.assertEqual((given["BUILDBOARD_COMMIT"], given["BUILDBOARD_BRANCH"]), (commit, "main"))
        self.assertEqual((given["BUILDBOARD_TAG"], given["BUILDBOARD_PULL_REQUEST"]), ("", ""))
        self.assertEqual(given["BUILDBOARD_TRIGGER"], "manual")
        self.assertEqual((build.commit, build.branch, build.commit_title), (commit, "main", "Say hello"))
        self.assertEqual((build.commit_author, build.recipe_path), ("Ada Lovelace", ".buildboard.yml"))
        self.assertEqual((build.recipe, build.repository), (RECIPE, str(self.origin.path)))
        self.assertIsNotNone(build.committed_at)
        self.assertEqual(self.log(build)[0], f"Fetching {self.origin.path}")
        project.refresh_from_db()
        self.assertEqual((project.found_recipe, project.found_commit), (RECIPE, commit))
        self.assertEqual(os.listdir(self.folder / "workspaces"), [])
        # Every event tells the steps as they were, and the log of each is under its own name.
        told = [json.loads(record.data) for record in events.read(build.pk, 0) if record.kind == "build"]
        counts = [len(data["steps"]) for data in told]
        self.assertEqual((counts[0], counts[-1]), (1, 2))
        seqs = [record.seq for record in events.read(build.pk, 0)]
        self.assertEqual(seqs, list(range(1, len(seqs) + 1)))

    def test_the_next_build_expects_what_was_found_and_gets_what_its_commit_has(self) -> None:
        self.origin.commit({"a.txt": "", ".buildboard.yml": RECIPE})
        project = self.project()
        self.build(project)
        self.origin.commit({".buildboard.yml": "steps:\n  - {name: one, run: 'true'}\n  - {name: two, run: 'true'}\n"})
        project.refresh_from_db()
        queued = lifecycle.enqueue(project, by="alice")
        self.assertEqual(self.names(queued), ["check out", "show"])
        lease = lifecycle.claim("test:1", os.urandom(16).hex())
        build = self.run_lease(lease)
        self.assertEqual((build.status, self.names(build)), ("passed", ["check out", "one", "two"]))

    def test_the_projects_own_recipe_is_for_commits_without_one(self) -> None:
        self.origin.commit({"a.txt": "hello\n"})
        build = self.build(self.project(recipe="steps: [{name: own, run: cat a.txt}]"))
        self.assertEqual((build.status, self.names(build), build.recipe_path), ("passed", ["check out", "own"], ""))
        self.assertEqual((origin.of(build).recipe, build.data()["recipe_known"]), ("the project's own", True))
        self.assertEqual(self.log(build, 1), ["hello"])

    def test_what_is_new_since_the_last_passed_build_of_the_branch(self) -> None:
        fails = "steps: [{name: a, run: 'exit 1'}]"
        passes = "steps: [{name: a, run: 'true'}]"
        project = self.project()
        self.origin.commit({".buildboard.yml": passes})
        first = self.build(project)
        self.assertFalse(Changes.objects.exists())
        self.origin.commit({".buildboard.yml": fails}, "Break it")
        self.assertEqual(self.build(project).status, "failed")
        last = self.origin.commit({".buildboard.yml": passes}, "Mend it")
        build = self.build(project, ref="main", source=Source("push", "main", commit=last))
        self.assertEqual(
            (build.changes.count, build.changes.since_build, build.changes.since), (2, first, first.commit)
        )
        self.assertEqual([one["title"] for one in build.changes.commits], ["Mend it", "Break it"])
        self.origin.git("checkout", "-q", "-b", "other")
        self.origin.commit({"b": "1"})
        self.assertFalse(Changes.objects.filter(build=self.build(project, ref="other")).exists())
        self.origin.git("checkout", "-q", "main")
        self.origin.commit({"c": "1"}, "Without a ref")
        unnamed = self.build(project)
        self.assertEqual((unnamed.branch, unnamed.ref), ("main", ""))
        self.assertEqual((unnamed.changes.count, unnamed.changes.since_build), (1, build))
        self.origin.git("checkout", "-q", "other")
        self.origin.git("update-ref", "refs/pull/7/head", "HEAD")
        source = Source("pull_request", "main", pull_request=7, fork=True)
        build = self.build(project, ref="refs/pull/7/head", source=source)
        self.assertEqual((build.changes.count, build.branch), (1, "main"))

    def test_inputs_are_looked_at_when_the_recipe_is_known(self) -> None:
        recipe = "inputs: {jobs: {type: number, default: 2}}\nsteps: [{name: a, run: echo $BUILDBOARD_INPUT_JOBS}]"
        self.origin.commit({".buildboard.yml": recipe})
        project = self.project()
        build = self.build(project, inputs={"jobs": "7"})
        self.assertEqual((build.inputs, self.log(build, 1)), ({"jobs": 7}, ["7"]))
        self.assertEqual(self.build(project).inputs, {"jobs": 2})
        for given, said in (
            ({"jobs": "many"}, "input jobs: expected a number, such as 4 or 0.5, not 'many'"),
            ({"nope": "1"}, "the recipe has no input 'nope'; it takes jobs"),
        ):
            project.refresh_from_db()
            build = self.build(project, inputs=given)
            self.assertEqual((build.status, self.steps(build)), ("failed", ["passed", "skipped"]))
            self.assertIn(f"The inputs do not fit the commit's recipe: {said}", build.reason)
            self.assertEqual(origin.of(build).recipe, "")

    def test_a_build_that_found_no_recipe_that_fits_is_not_said_to_have_the_projects_own(self) -> None:
        own = "steps: [{name: own, run: 'true'}]"
        self.origin.commit({".buildboard.yml": "steps: [{name: a, runs: x}]"})
        build = self.build(self.project(recipe=own))
        self.assertIn("not valid", build.reason)
        self.assertEqual((build.recipe, origin.of(build).recipe, build.data()["recipe_known"]), (own, "", False))

    def test_a_schedule_says_that_its_inputs_do_not_fit_the_commits_recipe(self) -> None:
        self.origin.commit({".buildboard.yml": "inputs: {target: {}}\nsteps: [{name: a, run: echo}]"})
        project = self.project()
        made = Schedule(project=project, name="nightly", cron="@daily", inputs={"target": "docs"})
        schedules.save(made)
        self.build(project)
        made.refresh_from_db()
        self.assertEqual(made.note, "", "another's build")
        self.origin.commit({".buildboard.yml": "inputs: {other: {}}\nsteps: [{name: a, run: echo}]"})
        due = made.next_at
        [started] = schedules.start_due(due)
        lease = lifecycle.claim("test:1", os.urandom(16).hex())
        assert lease is not None and lease.build_id == started.pk
        build = self.run_lease(lease)
        made.refresh_from_db()
        self.assertEqual((build.status, made.last_build, made.note), ("failed", build, build.reason))
        self.assertIn("the recipe has no input 'target'", made.note)

    def test_news_that_the_commits_recipe_leaves_out_are_not_built_but_where_somebody_asks(self) -> None:
        self.origin.commit({".buildboard.yml": "on: {branches: [main]}\nsteps: [{name: a, run: echo a}]"})
        project = self.project(auto_retries=2)
        build = self.build(project, source=Source("push", branch="topic"))
        self.assertEqual((build.status, self.steps(build)), ("cancelled", ["passed", "skipped"]))
        self.assertEqual(build.reason, "The recipe's 'on' leaves out the branch topic.")
        self.assertEqual(project.builds.count(), 1, "and nothing is retried by itself")
        self.assertEqual(self.build(project, source=Source("push", branch="main")).status, "passed")
        self.assertEqual(self.build(project, retry_of=build).status, "passed")

    def test_a_retry_is_of_the_same_commit(self) -> None:
        self.origin.commit({"a.txt": "one\n", ".buildboard.yml": "steps: [{name: a, run: 'cat a.txt; exit 1'}]"})
        project = self.project()
        first = self.build(project)
        self.origin.commit({"a.txt": "two\n"})
        again = lifecycle.retry(first, by="alice")
        self.assertEqual((again.commit, self.names(again)), (first.commit, ["check out", "a"]))
        lease = lifecycle.claim("test:1", os.urandom(16).hex())
        build = self.run_lease(lease)
        self.assertEqual((self.log(build, 1), build.commit), (["one"], first.commit))
        project.refresh_from_db()
        self.assertEqual(project.found_commit, first.commit)

    def test_steps_side_by_side_and_with_workspaces_of_their_own(self) -> None:
        recipe = """
steps:
  - {name: left, run: "cat a.txt; echo left > a.txt", needs: [], workspace: own}
  - {name: right, run: "cat a.txt; git status --porcelain", needs: [], workspace: own}
  - {name: last, run: cat a.txt, needs: [left, right]}
"""
        self.origin.commit({"a.txt": "clean\n", ".buildboard.yml": recipe})
        build = self.build(self.project())
        self.assertEqual(build.status, "passed", build.reason)
        self.assertEqual([self.log(build, at) for at in (1, 2, 3)], [["clean"]] * 3)
        self.assertEqual([step.needs for step in build.steps.order_by("position")], [[], [0], [0], [1, 2]])


class FailureTest(RepositoryCase):
    def fails(self, said: str, steps: list[str] | None = None, **start: Any) -> Build:
        project = Project.objects.get()
        build = self.build(project, **start)
        self.assertEqual(build.status, "failed")
        self.assertIn(said, build.reason)
        self.assertEqual(self.steps(build), steps or ["failed"])
        return build

    def test_a_repository_that_is_not_there(self) -> None:
        self.project(repository=f"{self.origin.path}-nowhere")
        build = self.fails("Step check out: the repository does not exist there, or its credential may not see it.")
        self.assertEqual(
            build.steps.get().reason, "The repository does not exist there, or its credential may not see it."
        )
        self.assertIn("does not appear to be a git repository", "\n".join(self.log(build)))

    def test_a_ref_that_is_not_there_and_a_recipe_that_is_none(self) -> None:
        self.origin.commit({".buildboard.yml": "steps:\n  - name: a\n"})
        self.project()
        self.fails("there is no branch, tag or commit nope in the repository", ref="nope")
        build = self.fails("The recipe in .buildboard.yml is not valid: line 2", ["passed"])
        self.assertNotEqual(build.commit, "")
        self.origin.commit({".buildboard.yml": "steps:\n  - name: a\n    runn: make\n"})
        build = self.fails("The recipe in .buildboard.yml is not valid: line 3: unknown key 'runn'", ["passed"])
        self.assertIn(". 1 more error in it: manage.py checkrecipe tells all.", build.reason)
        self.origin.git("rm", "-q", ".buildboard.yml")
        self.origin.commit()
        self.fails("The recipe is not valid: its commit has no .buildboard.yml", ["passed"])
        self.origin.commit({".buildboard.yml": "steps: [{name: check out, run: x}]"})
        self.fails("'check out' is the board's own", ["passed"])

    def test_a_server_that_hangs_is_given_up_and_a_cancel_does_not_wait_for_that(self) -> None:
        with silent_server() as port:
            self.project(repository=f"http://127.0.0.1:{port}/w")
            with override_settings(BUILDBOARD_CHECKOUT_SILENCE_SECONDS=1):
                self.fails("the server said nothing for 1 s, so it was given up.")
            with override_settings(BUILDBOARD_CHECKOUT_SECONDS=1):
                self.fails("took longer than")
            build = self.build(
                Project.objects.get(),
                during=lambda lease: (
                    eventually(lambda: events.read(lease.build_id, 3), 20),
                    lifecycle.cancel(lease.build_id, by="alice"),
                ),
            )
            self.assertEqual((build.status, self.steps(build)), ("cancelled", ["cancelled"]))

    def test_what_the_settings_do_not_allow_any_more(self) -> None:
        self.origin.commit({".buildboard.yml": RECIPE})
        project = self.project()
        with (
            override_settings(BUILDBOARD_LOCAL_REPOSITORIES=[]),
            self.assertRaisesMessage(
                lifecycle.Refused,
                "The repository of w cannot be fetched from: folders of this machine are read only where",
            ),
        ):
            lifecycle.enqueue(project, by="alice")
        lifecycle.enqueue(project, by="alice")
        lease = lifecycle.claim("test:1", os.urandom(16).hex())
        with override_settings(BUILDBOARD_LOCAL_REPOSITORIES=[]):
            build = self.run_lease(lease)
        self.assertIn("BUILDBOARD_LOCAL_REPOSITORIES allows it, and there are none", build.reason)


class SecretTest(RepositoryCase):
    def setUp(self) -> None:
        super().setUp()
        self.origin.commit(
            {"a.txt": "", ".buildboard.yml": "steps: [{name: a, run: 'env; cat .git/config; ls -la ..'}]"}
        )
        self.server = HttpGit(self.srv, password=PASSWORD)
        self.addCleanup(self.server.close)
        self.credential = Credential(name="robot", scope=self.server.address, username="robot")
        self.credential.keep(PASSWORD)
        self.credential.save()

    def repository(self) -> str:
        return f"{self.server.address}/widgets/.git"

    def test_a_credential_opens_it_and_is_found_nowhere_afterwards(self) -> None:
        project = self.project(repository=self.repository(), credential=self.credential)
        with self.assertLogs("builds", "INFO") as logs:
            build = self.build(project)
            logging.getLogger("builds").info("so that there is a line")
        self.assertEqual((build.status, build.reason), ("passed", ""))
        told = "".join(record.data for record in events.read(build.pk, 0)) + "".join(logs.output)
        self.assertNotIn(PASSWORD, told)
        for path in self.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(PASSWORD.encode(), path.read_bytes(), path)

    def test_a_server_that_repeats_it_does_not_have_it_shown(self) -> None:
        project = self.project(repository=self.repository(), credential=self.credential)
        for self.server.repeats in (403, 418):
            build = self.build(project)
            self.assertEqual(build.status, "failed")
            told = "".join(record.data for record in events.read(build.pk, 0)) + build.reason
            self.assertIn("is no good", told)
            self.assertNotIn(PASSWORD, told)

    def test_one_for_other_addresses_is_refused_by_name(self) -> None:
        Credential.objects.update(scope="https://git.example/")
        build = self.build(self.project(repository=self.repository(), credential=Credential.objects.get()))
        self.assertIn("credential robot is for addresses below https://git.example/", build.reason)
        self.assertEqual((build.status, self.steps(build), self.server.asked), ("failed", ["failed"], []))

    def test_one_that_no_key_opens_says_so(self) -> None:
        lifecycle.enqueue(self.project(repository=self.repository(), credential=self.credential), by="alice")
        lease = lifecycle.claim("test:1", os.urandom(16).hex())
        with override_settings(BUILDBOARD_SECRETS_KEYS=[Fernet.generate_key().decode()]):
            build = self.run_lease(lease)
        self.assertIn("A secret cannot be read: none of this board's keys", build.reason)


class LostTest(RepositoryCase):
    def test_a_mirror_that_is_gone_or_another_projects_costs_a_fetch(self) -> None:
        self.origin.commit({"a.txt": "", ".buildboard.yml": RECIPE})
        project = self.project()
        self.build(project)
        shutil.rmtree(self.folder / "mirrors")
        self.assertEqual(self.build(project).status, "passed")
