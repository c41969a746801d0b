"""Projects as programs make, change and delete them: all that is wrong at once, and nothing of what one may not see."""

from typing import Any
from unittest import mock

import hypothesis.extra.django
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import tag
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from builds import access, lifecycle, vault
from builds.access import Caller
from builds.models import Cache, Credential, Project, Schedule
from builds.web import projectsettings

from .asking import RECIPE, ApiCase

URL = "https://git.example/team/widgets.git"


class ProjectCase(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        rights = Permission.objects.filter(codename__in=("add_project", "change_project", "delete_project"))
        self.alice.user_permissions.add(*rights)

    def make(self, status: int = 201, token: str = "", **given: Any) -> Any:
        answer = self.ask("POST", "/projects", given, token=token)
        self.assertEqual(answer.status_code, status, answer.content)
        return answer.json()

    def change(self, project: str, status: int = 200, token: str = "", **given: Any) -> Any:
        answer = self.ask("PATCH", f"/projects/{project}", given, token=token)
        self.assertEqual(answer.status_code, status, answer.content)
        return answer.json()

    def wrong(self, problem: dict[str, Any]) -> dict[str, str]:
        return {one["at"]: one["expected"] for one in problem["errors"]}


@tag("fast")
class MakeTests(ProjectCase):
    def test_a_slug_and_a_recipe_are_enough_to_build(self) -> None:
        answer = self.ask("POST", "/projects", {"slug": "new", "recipe": RECIPE})
        self.assertEqual(answer.status_code, 201, answer.content)
        self.assertEqual(answer["Location"], "http://testserver/api/v1/projects/new")
        said = answer.json()
        self.assertEqual((said["slug"], said["name"], said["url"]), ("new", "new", "http://testserver/projects/new/"))
        self.assertEqual(said["settings"]["recipe_path"], ".buildboard.yml")
        self.assertEqual((said["settings"]["network"], said["settings"]["depth"]), (True, None))
        self.assertEqual((said["caches"], said["artifacts"]), ({"count": 0, "bytes": 0},) * 2)
        self.assertEqual(said, self.ask("GET", "/projects/new").json())
        self.assertEqual(self.ask("POST", "/projects/new/builds").status_code, 201)
        row = LogEntry.objects.get()
        self.assertEqual((row.user, row.object_repr, row.is_addition()), (self.alice, "new", True))
        self.assertEqual(row.get_change_message(), "By the API, alice (ci): name, recipe, slug")

    def test_with_everything(self) -> None:
        sealed = vault.seal("t")
        Credential.objects.create(name="Robot", scope="https://git.example/team/", sealed=sealed)
        given = {
            "slug": "all", "name": "All of it", "description": "d", "repository": URL, "credential": "Robot",
            "branch": "main", "recipe_path": "ci/build.yml", "submodules": True, "lfs": True, "depth": 5, "recipe": "",
            "enabled": False, "runs_on": "gpu linux", "max_running": 2, "auto_retries": 1, "network": False,
            "groups": ["inside"], "keep_days": 0, "keep_builds": 9,
        }  # fmt: skip
        said = self.make(**given)
        self.assertEqual(said["settings"], given)
        self.assertEqual(set(said["settings"]), {*projectsettings.PLAIN, "credential", "groups"})
        self.assertNotIn(sealed, str(said))
        self.assertEqual(self.ask("GET", "/projects/all", token=self.strange_token).status_code, 404)

    def test_all_that_is_wrong_is_told_at_once(self) -> None:
        problem = self.make(
            422, slug="a b", name="x\ny", repository="git://host/x", branch="a..b", recipe_path="../x", depth=0,
            recipe="steps: 1", runs_on="NO!", max_running=0, auto_retries=11, credential="none", groups=["nobody"],
            keep_days=-1, keep_builds=10**30,
        )  # fmt: skip
        wrong = self.wrong(problem)
        self.assertEqual(
            set(wrong),
            {
                *("slug", "name", "repository", "branch", "recipe_path", "depth", "recipe", "runs_on", "max_running"),
                *("auto_retries", "credential", "groups", "keep_days", "keep_builds"),
            },
        )
        self.assertIn("Addresses that begin with git:// are not taken", wrong["repository"])
        self.assertIn("line 1", wrong["recipe"])
        self.assertEqual((wrong["depth"], wrong["auto_retries"]), ("Expected at least 1.", "Expected at most 10."))
        self.assertEqual(wrong["slug"], "Expected letters, digits, - and _ alone.")
        self.assertNotIn("Ensure", str(problem))
        twice = self.make(422, slug="new", recipe="steps:\n- name: a\n  runn: make\n")["errors"]
        self.assertEqual([one["expected"][:6] for one in twice if one["at"] == "recipe"], ["line 2", "line 3"])
        self.assertEqual(wrong["groups"], "There is no group 'nobody'.")
        self.assertEqual(self.wrong(self.make(422, enabled="perhaps", depth="deep", slog="x")).keys(),
                         {"enabled", "depth", "slog", "slug", "name", "recipe"})  # fmt: skip
        self.assertIn("Expected a recipe", self.wrong(self.make(422, slug="new"))["recipe"])
        self.assertIn("slug", self.wrong(self.make(422, recipe=RECIPE)))
        self.assertIn(
            "There is a project of that name in addresses",
            self.wrong(self.make(422, slug="open", recipe=RECIPE))["slug"],
        )
        self.assertIn("NUL", self.wrong(self.make(422, slug="new", recipe="steps: []\0"))["recipe"])
        for never in ("\0", "\ud800"):
            wrong = self.wrong(self.make(422, slug="new", recipe=RECIPE, credential=never, groups=[never]))
            self.assertEqual(set(wrong), {"credential", "groups"})
        for body in ([], "x", 7):
            said = self.assert_problem(self.ask("POST", "/projects", body), 422)
            self.assertEqual(said["errors"], [{"at": "body", "expected": "expected an object"}])
        self.assertEqual(Project.objects.count(), 2)

    def test_what_is_of_another_type_is_told_with_what_does_not_fit(self) -> None:
        problem = self.make(
            422, slug="l a", depth=-1, max_running="x", groups=["none"], credential="zzz", foo=1, enabled="maybe",
            keep_days=1e99, recipe=7,
        )  # fmt: skip
        wrong = self.wrong(problem)
        fields = {"slug", "depth", "max_running", "groups", "credential", "foo", "enabled", "keep_days", "recipe"}
        self.assertEqual(set(wrong), fields)
        self.assertEqual((wrong["foo"], wrong["enabled"]), ("there is no such value here", "expected true or false"))
        self.assertEqual(wrong["recipe"], "expected text")
        for field in wrong:
            self.assertIn(f"{field}: ", problem["detail"])
        self.assertNotIn(".;", problem["detail"])
        many = self.wrong(self.make(422, slug="new", recipe=RECIPE, groups=[1, 2]))
        self.assertEqual(set(many), {"groups.0", "groups.1"})
        flood = self.make(422, slug="new", recipe=RECIPE, **{f"x{number}": 1 for number in range(500)})
        self.assertEqual(len(flood["errors"]), 20)
        self.change("open", 422, enabled="maybe", name="Other")
        self.assertEqual(Project.objects.get(slug="open").name, "Open")

    def test_a_credential_is_for_its_addresses(self) -> None:
        Credential.objects.create(name="Robot", scope="https://git.example/team/", sealed=vault.seal("t"))
        problem = self.make(422, slug="new", repository="https://other.example/x", credential="Robot")
        self.assertIn("Robot is for addresses below https://git.example/team/", self.wrong(problem)["credential"])

    def test_it_takes_the_scope_and_the_right(self) -> None:
        reader = access.new_token(self.alice, scopes=("read", "start"))
        for token in (reader, self.strange_token):
            self.make(403, token=token, slug="new", recipe=RECIPE)
        self.assertEqual(self.ask("POST", "/projects", {"slug": "new"}, token=None).status_code, 401)
        self.assertEqual(Project.objects.count(), 2)


@tag("fast")
class ChangeTests(ProjectCase):
    def test_only_what_is_given_changes(self) -> None:
        said = self.change("open", name=" Wide open ", runs_on="linux, gpu", max_running=3)
        self.assertEqual((said["name"], said["runs_on"], said["max_running"]), ("Wide open", "gpu linux", 3))
        self.assertEqual(said["settings"]["recipe"], RECIPE)
        self.assertIsNone(self.change("open", max_running=None)["max_running"])
        self.assertEqual(self.change("open", slug="moved")["slug"], "moved")
        self.assertEqual(self.ask("GET", "/projects/open").status_code, 404)
        messages = [row.get_change_message() for row in LogEntry.objects.order_by("id")]
        self.assertEqual(messages[1], "By the API, alice (ci): max_running")

    def test_of_two_who_change_different_things_both_do(self) -> None:
        mine, theirs = Project.objects.get(slug="open"), Project.objects.get(slug="open")
        caller = access.Caller(self.alice)
        projectsettings.store(mine, {"description": "mine"}, caller)
        projectsettings.store(theirs, {"branch": "main"}, caller)
        found = Project.objects.get(slug="open")
        self.assertEqual((found.description, found.branch), ("mine", "main"))

    def test_one_that_is_deleted_meanwhile_is_not_there(self) -> None:
        def deleted(project: Project, **_: Any) -> None:
            Project.objects.filter(pk=project.pk).delete()

        with mock.patch.object(Project, "full_clean", deleted):
            self.assert_problem(self.ask("PATCH", "/projects/open", {"description": "x"}), 404, "open")

    def test_what_is_wrong_changes_nothing(self) -> None:
        wrong = self.wrong(self.change("open", 422, name="", recipe="", slug="secret"))
        self.assertEqual(set(wrong), {"name", "slug", "recipe"})
        self.assertEqual(self.change("open", 422, recipe=None)["status"], 422)
        self.assertEqual(Project.objects.get(slug="open").name, "Open")

    def test_who_sees_it_is_a_setting(self) -> None:
        self.assertEqual(self.change("open", groups=["inside"])["settings"]["groups"], ["inside"])
        self.assertEqual(self.ask("GET", "/projects/open", token=self.strange_token).status_code, 404)
        self.assertEqual(self.change("open", groups=[])["settings"]["groups"], [])
        self.assertIsNone(self.ask("GET", "/projects/open", token=self.strange_token).json()["settings"])

    def test_it_takes_the_scope_and_the_right_and_a_project_that_one_sees(self) -> None:
        reader = access.new_token(self.alice, scopes=("read", "start"))
        self.assertIsNone(self.ask("GET", "/projects/open", token=reader).json()["settings"])
        self.change("open", 403, token=reader, name="x")
        self.change("open", 403, token=self.strange_token, name="x")
        self.change("secret", 404, token=self.strange_token, name="x")
        self.change("nowhere", 404, name="x")


@tag("fast")
class DeleteTests(ProjectCase):
    def delete(self, slug: str, token: str = "") -> Any:
        return self.ask("DELETE", f"/projects/{slug}", token=token)

    def test_one_without_builds_goes_with_all_that_is_its(self) -> None:
        Schedule.objects.create(project=self.open, name="n", cron="@daily")
        more = {"state": "stored", "sha256": "0" * 64, "size": 1, "build": 1}
        Cache.objects.create(project=self.open, key="k", name="aa/bb", **more)
        self.assertEqual(self.delete("open").status_code, 204)
        self.assertEqual(self.delete("open").status_code, 404)
        self.assertFalse(Schedule.objects.exists())
        self.assertIsNone(Cache.objects.get().project)
        self.assertTrue(LogEntry.objects.get().is_deletion())

    def test_one_that_two_delete_at_the_same_time_is_gone_for_both(self) -> None:
        real = projectsettings.delete

        def slow(project: Project, by: Caller) -> None:
            Project.objects.filter(pk=project.pk).delete()
            real(project, by)

        with mock.patch.object(projectsettings, "delete", slow):
            self.assertEqual(self.ask("DELETE", "/projects/open").status_code, 204)

    def test_one_with_builds_stays(self) -> None:
        lifecycle.enqueue(self.open, by="alice")
        self.assert_problem(self.delete("open"), 409, "has builds", "disable it")
        self.assertFalse(self.change("open", enabled=False)["enabled"])

    def test_it_takes_the_scope_and_the_right(self) -> None:
        for token in (access.new_token(self.alice, scopes=("read", "start")), self.strange_token):
            self.assertEqual(self.delete("open", token=token).status_code, 403)
        self.assertEqual(self.delete("secret", token=self.strange_token).status_code, 404)
        self.assertEqual(Project.objects.count(), 2)


@tag("fast")
class ListTests(ProjectCase):
    def test_they_are_paged_by_their_slugs(self) -> None:
        for name in ("b", "a", "z"):
            Project.objects.create(name=f"{name} project", slug=name, recipe=RECIPE)
        found, path, pages = [], "/projects?limit=2", 0
        while path:
            page = self.ask("GET", path.removeprefix("http://testserver/api/v1")).json()
            found += [one["slug"] for one in page["items"]]
            path, pages = page["next"], pages + 1
        self.assertEqual((found, pages), (["a", "b", "open", "secret", "z"], 3))
        self.assertIsNone(self.ask("GET", "/projects").json()["next"])
        theirs = self.ask("GET", "/projects?limit=4", token=self.strange_token).json()
        self.assertEqual(([one["slug"] for one in theirs["items"]], theirs["next"]), (["a", "b", "open", "z"], None))
        for wrong in ("limit=0", "limit=501", "limit=x", f"after={'x' * 101}"):
            self.assert_problem(self.ask("GET", f"/projects?{wrong}"), 422)


TEXT = st.text(max_size=40)
ANYTHING = st.fixed_dictionaries(
    {"slug": st.one_of(st.just("good"), TEXT)},
    optional={
        "name": TEXT, "description": TEXT, "repository": st.one_of(TEXT, st.just(URL)), "branch": TEXT, "recipe": TEXT,
        "recipe_path": TEXT, "runs_on": TEXT, "depth": st.integers(), "max_running": st.integers(),
        "keep_days": st.integers(), "credential": TEXT, "groups": st.lists(TEXT, max_size=3),
    },
)  # fmt: skip


@tag("fast")
class AnythingTests(hypothesis.extra.django.TestCase):
    @examples(deadline=None, max_examples=60)
    @given(ANYTHING)
    def test_whatever_is_given_is_stored_or_refused_with_what_was_expected(self, given: dict[str, Any]) -> None:
        user = User.objects.create_user("root")
        Group.objects.create(name="g")
        project = Project()
        try:
            projectsettings.store(project, {"name": "x"} | given, access.Caller(user))
        except projectsettings.Unfit as unfit:
            self.assertTrue(all(field in given or field == "recipe" for field, _ in unfit.wrong), unfit.wrong)
            self.assertFalse(Project.objects.exists())
        else:
            self.assertEqual(projectsettings.of(Project.objects.get())["slug"], given["slug"])
