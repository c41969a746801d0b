"""The program that checks a repository out, with real git: from folders of this machine."""

import json
import os
import shutil
import subprocess

from tests.support.processes import Process, eventually
from tests.support.repositories import ENV, Origin, silent_server

from .checkouts import RECIPE, CheckoutCase


class WhatTest(CheckoutCase):
    def test_the_default_branch_with_its_whole_history_and_its_recipe(self) -> None:
        self.origin.commit({"a": "1", ".buildboard.yml": RECIPE}, "First")
        self.origin.git("tag", "v1")
        commit = self.origin.commit({"a": "2"}, "Grüße\n\nA body.", GIT_AUTHOR_DATE="2024-02-03T04:05:06+02:00")
        found = self.checked_out()
        self.assertEqual(found["commit"], commit)
        self.assertEqual((found["title"], found["author"]), ("Grüße", "Ada Lovelace"))
        self.assertEqual((found["branch"], found["tag"], found["default"], found["recipe"]), ("main", "", True, RECIPE))
        self.assertEqual((self.checkouts.work / "a").read_text(), "2")
        self.assertEqual(self.checkouts.git("rev-list", "--count", "HEAD"), "2")
        self.assertEqual(self.checkouts.git("describe", "--tags"), f"v1-1-g{commit[:7]}")
        self.assertEqual(self.checkouts.git("status", "--porcelain", "--branch"), "## main...origin/main")
        self.assertEqual(self.checkouts.git("remote", "get-url", "origin"), str(self.origin.path))
        self.assertIn(f"Commit {commit[:12]}: Grüße (Ada Lovelace", self.checkouts.said)

    def test_branches_tags_and_commits_by_their_names(self) -> None:
        first = self.origin.commit({"a": "1"})
        self.origin.git("tag", "-a", "-m", "one", "v1")
        self.origin.git("checkout", "-q", "-b", "feature/x")
        second = self.origin.commit({"a": "2"})
        self.origin.git("checkout", "-q", "main")
        for ref, commit, branch, tag in (
            ("feature/x", second, "feature/x", ""),
            ("refs/heads/feature/x", second, "feature/x", ""),
            ("v1", first, "", "v1"),
            ("refs/tags/v1", first, "", "v1"),
            (first, first, "", ""),
            (second[:9], second, "", ""),
        ):
            with self.subTest(ref):
                found = self.checked_out(ref=ref)
                self.assertEqual((found["commit"], found["branch"], found["tag"]), (commit, branch, tag))
                self.assertEqual(self.checkouts.git("rev-parse", "HEAD"), commit)
                self.assertFalse(found["default"])
        self.assertEqual(self.checked_out(branch="feature/x")["default"], True)
        # What was named as the commit is built, whatever the branch is by now.
        found = self.checked_out(ref="feature/x", commit=first)
        self.assertEqual((found["commit"], found["branch"]), (first, "feature/x"))

    def test_a_pull_requests_ref(self) -> None:
        self.origin.commit({"a": "1"})
        self.origin.git("checkout", "-q", "--detach")
        commit = self.origin.commit({"a": "2"})
        self.origin.git("update-ref", "refs/pull/7/head", commit)
        self.origin.git("checkout", "-q", "main")
        for ref in ("refs/pull/7/head", "pull/7/head"):
            found = self.checked_out(ref=ref)
            self.assertEqual((found["commit"], found["branch"], found["default"]), (commit, "", False))
        self.assertEqual((self.checkouts.work / "a").read_text(), "2")
        self.fails("The ref refs/pull/8/head is not there", ref="refs/pull/8/head")
        # Closed and gone meanwhile: its commit is still to be had.
        self.origin.git("update-ref", "-d", "refs/pull/7/head")
        shutil.rmtree(self.checkouts.mirror)
        self.origin.git("config", "uploadpack.allowAnySHA1InWant", "true")
        self.assertEqual(self.checked_out(ref="refs/pull/7/head", commit=commit)["commit"], commit)

    def test_a_shallow_checkout(self) -> None:
        for number in range(5):
            commit = self.origin.commit({"a": str(number)})
        self.origin.git("tag", "v1")
        self.assertEqual(self.checked_out(depth=2)["commit"], commit)
        self.assertEqual(self.checkouts.git("rev-list", "--count", "HEAD"), "2")
        self.checked_out(depth=1, ref="v1")
        self.assertEqual(self.checkouts.git("describe", "--tags", "--exact-match"), "v1")

    def test_a_repository_that_is_shallow_itself(self) -> None:
        for number in range(3):
            commit = self.origin.commit({"a": str(number)})
        other = self.folder / "srv/other"
        subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{self.origin.path}", other], env=ENV, check=True)
        for depth in (None, 1):
            self.assertEqual(self.checked_out(other, depth=depth)["commit"], commit)

    def test_what_is_new_since_a_commit(self) -> None:
        first = self.origin.commit({"a": "1"})
        for number in range(55):
            last = self.origin.commit({"a": f"x{number}"}, f"Change {number}")
        told = self.checked_out(since={"main": first, "other": "0" * 40})["changes"]
        self.assertEqual((told["since"], told["count"], told["gone"], len(told["commits"])), (first, 55, 0, 50))
        self.assertEqual((told["commits"][0]["title"], told["commits"][0]["commit"]), ("Change 54", last))
        self.origin.git("reset", "-q", "--hard", first)
        told = self.checked_out(since={"": last})["changes"]
        self.assertEqual((told["count"], told["gone"], told["commits"]), (0, 55, []))
        self.assertIsNone(self.checked_out(since={"": "0" * 40})["changes"])

    def test_a_repository_of_sha256(self) -> None:
        origin = self.folder / "srv/other"
        origin.mkdir()
        subprocess.run(["git", "init", "-q", "-b", "main", "--object-format=sha256", origin], env=ENV, check=True)
        subprocess.run(["git", "-C", origin, "commit", "-q", "--allow-empty", "-m", "One"], env=ENV, check=True)
        self.assertEqual(len(self.checked_out(origin)["commit"]), 64)


class WrongTest(CheckoutCase):
    def test_what_is_not_there(self) -> None:
        self.origin.commit({"a": "1"})
        self.fails("There is no branch, tag or commit nope", ref="nope")
        self.fails("The commit 000000000000 is in no branch or tag", commit="0" * 40)
        self.fails("The repository does not exist there", self.folder / "srv/nothing")
        self.fails("no default branch, or no commit yet", Origin(self.folder / "srv/empty").path)

    def test_a_ref_that_is_an_option_runs_nothing(self) -> None:
        self.origin.commit({"a": "1"})
        ran = self.folder / "ran"
        for ref in (f"--upload-pack=touch {ran}", f"--exec=touch\t{ran}", "main:../../x", "a..b"):
            self.fails("Not a branch, tag or commit", ref=ref)
        for address in (f"--upload-pack=touch {ran}", f"ext::touch {ran}"):
            self.run_(address)
            self.assertEqual(self.checkouts.code, 1)
        self.assertFalse(ran.exists())

    def test_folders_beyond_those_that_are_allowed(self) -> None:
        other = Origin(self.folder / "elsewhere/w")
        other.commit({"secret": "1"})
        self.fails("only below", other.path)
        (self.folder / "srv/link").symlink_to(other.path)
        self.fails("only below", self.folder / "srv/link")
        self.fails("own data folder", self.folder / "data/x", folders=[str(self.folder)])

    def test_recipes_that_are_no_files_of_the_commit(self) -> None:
        (self.folder / "secret.yml").write_text("steps: [{name: secret, run: x}]")
        self.origin.commit({"a": "1"})
        recipe = self.origin.path / ".buildboard.yml"
        recipe.symlink_to(self.folder / "secret.yml")
        commit = self.origin.commit()
        self.fails(".buildboard.yml is a symbolic link in this commit")
        self.assertEqual(self.checkouts.result["commit"], commit)  # what was found is told all the same
        recipe.unlink()
        self.origin.commit({".buildboard.yml": "#" * 5_000_000})
        self.fails(".buildboard.yml has 5,000,000 bytes in this commit; expected at most 10,000")
        self.origin.commit({".buildboard.yml": b"steps: \xff"})
        self.fails(".buildboard.yml is not UTF-8 text in this commit: byte 8 is not")
        recipe.unlink()
        recipe.mkdir()
        self.origin.commit({".buildboard.yml/x": ""})
        self.fails(".buildboard.yml is a folder")
        self.assertIsNone(self.checked_out(recipe_path="no/such.yml")["recipe"])
        self.assertIn("There is no no/such.yml in this commit", self.checkouts.said)

    def test_nothing_of_a_repository_is_executed(self) -> None:
        ran = self.folder / "ran"
        script = f"#!/bin/sh\ntouch {ran}\ncat\n"
        self.origin.commit(
            {
                ".gitattributes": "* filter=evil diff=evil merge=evil\n",
                ".gitconfig": f'[filter "evil"]\n\tsmudge = touch {ran}\n\tclean = touch {ran}\n',
                "hooks/post-checkout": script,
                ".githooks/post-checkout": script,
                "a": "1",
            }
        )
        hook = self.origin.path / ".git/hooks/post-checkout"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(script)
        hook.chmod(0o755)
        self.origin.git("config", "uploadpack.packObjectsHook", f"touch {ran}")
        self.checked_out()
        self.assertFalse(ran.exists())
        self.assertFalse((self.checkouts.work / ".git/hooks").exists())


class MirrorTest(CheckoutCase):
    def test_only_what_is_new_is_fetched_and_what_is_gone_goes(self) -> None:
        self.origin.commit({"a": os.urandom(200_000).hex()})
        self.origin.git("branch", "old")
        self.checked_out()
        self.origin.git("branch", "-D", "old")
        self.origin.git("branch", "old/er")  # no branch could be called so while there was one called old
        commit = self.origin.commit({"b": "2"})
        self.assertEqual(self.checked_out()["commit"], commit)
        names = self.mirror("for-each-ref", "--format=%(refname)").split()
        self.assertEqual(names, ["refs/heads/main", "refs/heads/old/er"])

    def mirror(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.checkouts.mirror / "git", env=ENV, capture_output=True, text=True, check=False
        ).stdout

    def test_another_address_is_another_mirror(self) -> None:
        self.origin.commit({"a": "1"})
        self.origin.git("tag", "of-the-first")
        self.checked_out()
        other = Origin(self.folder / "srv/other")
        other.commit({"b": "1"})
        self.checked_out(other.path)
        self.assertEqual(self.mirror("tag"), "")

    def test_a_mirror_that_is_damaged_is_fetched_anew(self) -> None:
        commit = self.origin.commit({"a": "1" * 10_000, "b": "2"})
        mirror = self.checkouts.mirror / "git"

        def empty_objects() -> None:
            for path in (mirror / "objects").rglob("*"):
                if path.is_file():
                    path.chmod(0o644)
                    path.write_bytes(b"")

        for damage in (
            lambda: (mirror / "HEAD").unlink(),
            lambda: (mirror / "config").write_text("[core\n"),
            lambda: shutil.rmtree(mirror / "objects"),
            lambda: (mirror / "refs/heads/main").write_text("nonsense\n"),
            empty_objects,
        ):
            self.checked_out()
            damage()
            self.assertEqual(self.checked_out()["commit"], commit)
            self.assertEqual((self.checkouts.work / "b").read_text(), "2")

    def test_what_a_killed_git_left_stops_nobody(self) -> None:
        commit = self.origin.commit({"a": "1"})
        self.checked_out()
        mirror = self.checkouts.mirror / "git"
        (mirror / "objects/pack").mkdir(exist_ok=True)
        for left in ("HEAD.lock", "packed-refs.lock", "config.lock", "refs/heads/main.lock", "objects/pack/tmp_pack_x"):
            (mirror / left).write_text("")
        self.origin.git("branch", "other")
        self.assertEqual(self.checked_out(ref="other")["commit"], commit)
        self.assertEqual(list(mirror.rglob("*.lock")) + list(mirror.rglob("tmp_*")), [])

    def test_a_checkout_that_is_killed_is_followed_by_another(self) -> None:
        commit = self.origin.commit({"a": "1"})
        with silent_server() as port:
            hangs = self.checkouts.order(f"http://127.0.0.1:{port}/w", silence=600)
            with Process(hangs, env=ENV) as first:
                eventually(first.children, 30)
                with Process(self.checkouts.order(self.origin.path), env=ENV) as second:
                    second.wait_for("Waiting for another build of this project")
                    first.kill_all()  # as the guardian does: who of them lives has the mirror
                    self.assertEqual(second.wait(60), 0, second.output())
        self.assertEqual(json.loads((self.folder / "result").read_text())["commit"], commit)

    def test_what_a_step_does_to_its_repository_the_next_build_does_not_find(self) -> None:
        self.origin.commit({"a": "1"})
        self.checked_out()
        for path in (self.checkouts.work / ".git/objects").rglob("*"):
            if path.is_file():
                self.assertEqual(path.stat().st_nlink, 1)
        self.assertFalse((self.checkouts.work / ".git/objects/info/alternates").exists())
