"""The caches of a project: on its page, for programs, and in the administration."""

from datetime import timedelta
from typing import Any
from unittest import mock

from django.contrib.auth.models import Group, Permission, User
from django.core.files.base import ContentFile
from django.db import connection
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import reverse
from django.utils import timezone

from builds import access, artifacts, caches, filestore
from builds.models import Build, Cache
from builds.models.artifact import GOING, STORED
from builds.web import caches as page

from . import live
from .stored import OwnStorage, store

KEY = "pip-linux-<b>"


class CachesCase(OwnStorage, TransactionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.lease = live.running()
        self.build = Build.objects.select_related("project").get(pk=self.lease.build_id)
        self.project = self.build.project
        self.url = f"/projects/{self.project.slug}/caches/"
        self.editor = User.objects.create_user("editor", is_staff=True)
        self.editor.user_permissions.set(
            Permission.objects.filter(codename__in=("change_project", "view_artifact", "view_cache"))
        )
        self.viewer = User.objects.create_user("viewer", is_staff=True)

    def keep(self, key: str = KEY, size: int = 2048, scope: str = "", state: str = STORED) -> Cache:
        name = filestore.new_name()
        filestore.save(name, ContentFile(b"x"))
        more: dict[str, Any] = {"sha256": "0" * 64, "state": state, "size": size, "build": self.build.pk}
        return Cache.objects.create(project=self.project, key=key, scope=scope, name=name, **more)

    def strangers(self) -> None:
        self.project.groups.add(Group.objects.create(name="others"))


class PageTest(CachesCase):
    def test_each_is_listed_with_its_size_and_when_it_was_used(self) -> None:
        kept = self.keep()
        self.keep("of a fork", scope="pull request 7")
        self.keep("going", state=GOING)
        Cache.objects.filter(pk=kept.pk).update(used_at=timezone.now() - timedelta(hours=3))
        store(self.lease, "dist/a.whl", b"wheel" * 1000)
        self.client.force_login(self.viewer)
        answer = self.client.get(self.url)
        self.assertContains(answer, "<code>pip-linux-&lt;b&gt;</code>")
        self.assertContains(answer, "of pull request 7 alone")
        self.assertContains(answer, "3 h ago")
        self.assertContains(answer, "<b>2 caches, 4.1 kB</b> of 10.7 GB")
        self.assertContains(answer, "artifacts: 1 file, 5.0 kB, of 1 build")
        self.assertContains(answer, f"/builds/{self.build.pk}/")
        self.assertNotContains(answer, "going")
        self.assertNotContains(answer, "Delete")

    def test_one_is_deleted_or_all(self) -> None:
        one, other = self.keep("a"), self.keep("b")
        self.keep("c")
        self.client.force_login(self.editor)
        self.assertContains(self.client.get(self.url), "Delete all caches of")
        answer = self.client.post(self.url, {"delete": one.pk}, follow=True)
        self.assertContains(answer, "The cache is deleted: builds make it anew where they need it.")
        self.assertIsNone(caches.find(self.build, "a", ()))
        self.assertEqual(self.client.post(self.url, {"delete": one.pk}).status_code, 404)
        answer = self.client.post(self.url, {"delete": "all"}, follow=True)
        self.assertContains(answer, f"2 caches of {self.project.name} are deleted")
        self.assertContains(answer, "No caches")
        self.assertIsNone(caches.find(self.build, "b", ()))
        self.assertEqual(caches.sweep(), 3)
        self.assertFalse(Cache.objects.filter(pk=other.pk).exists())
        self.assertEqual(self.stored_files(), [])

    def test_what_makes_no_sense_deletes_nothing(self) -> None:
        kept = self.keep()
        self.client.force_login(self.editor)
        for wrong in ("", "x", "²", "-1", "9" * 30, str(kept.pk + 1)):
            self.assertEqual(self.client.post(self.url, {"delete": wrong}).status_code, 404, wrong)
        for wrong in ("x", "9" * 30):
            self.assertEqual(self.client.get(self.url, {"before": wrong}).status_code, 404, wrong)
        self.assertEqual(self.client.put(self.url).status_code, 405)
        self.assertEqual(caches.used(self.project.pk), (1, 2048))

    def test_who_may_not_change_the_project_deletes_nothing_and_strangers_learn_nothing(self) -> None:
        self.keep()
        self.client.force_login(self.viewer)
        self.assertEqual(self.client.post(self.url, {"delete": "all"}).status_code, 403)
        self.strangers()
        for user in (self.viewer, self.editor):
            self.client.force_login(user)
            self.assertEqual(self.client.get(self.url).status_code, 404)
            self.assertEqual(self.client.post(self.url, {"delete": "all"}).status_code, 404)
        self.client.logout()
        for public in (False, True):
            with override_settings(BUILDBOARD_PUBLIC=public):
                self.assertIn("/accounts/login/", self.client.get(self.url)["Location"])
        self.assertEqual(Cache.objects.filter(state=STORED).count(), 1)

    def test_many_are_paged_in_as_many_queries_as_one(self) -> None:
        self.client.force_login(self.viewer)
        self.keep("first")
        with CaptureQueriesContext(connection) as one:
            self.client.get(self.url)
        for number in range(4):
            self.keep(f"key {number}")
        with CaptureQueriesContext(connection) as many:
            self.client.get(self.url)
        self.assertEqual(len(one), len(many))
        with mock.patch.object(page, "PAGE", 3):
            answer = self.client.get(self.url)
            self.assertContains(answer, "<code>key", 3)
            rest = self.client.get(self.url + answer.context["on"])
        self.assertContains(rest, "<code>first</code>")
        self.assertContains(rest, "<code>key 0</code>")
        self.assertEqual(rest.context["on"], "")
        self.assertContains(self.client.get(self.url, {"before": 0}), "Nothing older")

    def test_the_project_s_page_leads_there(self) -> None:
        self.client.force_login(self.viewer)
        self.assertContains(self.client.get(self.project.get_absolute_url()), f'href="{self.url}"')


class ApiTest(CachesCase):
    def ask(self, method: str, path: str = "", scopes: tuple[str, ...] = access.ALL_SCOPES, user: Any = None) -> Any:
        token = access.new_token(user or self.editor, scopes=scopes)
        headers = {"Authorization": f"Bearer {token}"}
        return self.client.generic(method, f"/api/v1/projects/{self.project.slug}/caches{path}", headers=headers)

    def test_they_are_listed_newest_first_and_paged(self) -> None:
        kept = [self.keep(f"key {number}", scope="" if number else "pull request 7") for number in range(3)]
        answer = self.ask("GET", "?limit=2").json()
        self.assertEqual([one["id"] for one in answer["items"]], [kept[2].pk, kept[1].pk])
        self.assertEqual(
            {name: answer["items"][0][name] for name in ("key", "scope", "size", "sha256", "build")},
            {"key": "key 2", "scope": "", "size": 2048, "sha256": "0" * 64, "build": self.build.pk},
        )
        self.assertIn(f"before={kept[1].pk}", answer["next"])
        answer = self.ask("GET", f"?limit=2&before={kept[1].pk}").json()
        self.assertEqual(([one["scope"] for one in answer["items"]], answer["next"]), (["pull request 7"], None))
        for wrong in ("?limit=0", "?limit=x", "?before=0", "?before=x"):
            self.assertEqual(self.ask("GET", wrong).status_code, 422)

    def test_one_is_deleted_or_all(self) -> None:
        kept = self.keep("a")
        self.keep("b")
        self.assertEqual(self.ask("DELETE", f"/{kept.pk}").status_code, 204)
        self.assertEqual(self.ask("DELETE", f"/{kept.pk}").status_code, 404)
        self.assertEqual(caches.used(self.project.pk).archives, 1)
        for _ in range(2):
            self.assertEqual(self.ask("DELETE").status_code, 204)
        self.assertEqual(caches.used(self.project.pk).archives, 0)

    def test_it_takes_the_scope_and_the_right(self) -> None:
        kept = self.keep()
        for path in ("", f"/{kept.pk}"):
            self.assertEqual(self.ask("DELETE", path, scopes=("read", "start")).status_code, 403)
            self.assertEqual(self.ask("DELETE", path, user=self.viewer).status_code, 403)
        self.assertEqual(self.ask("GET", user=self.viewer).status_code, 200)
        with override_settings(BUILDBOARD_PUBLIC=True):
            nobody = self.client.get(f"/api/v1/projects/{self.project.slug}/caches")
            self.assertEqual((nobody.status_code, nobody.json()["title"]), (401, "Unauthorized"))
            told = self.client.get(f"/api/v1/projects/{self.project.slug}").json()
            self.assertEqual((told["caches"], told["artifacts"]), (None, {"count": 0, "bytes": 0}))
        self.strangers()
        self.assertEqual([self.ask(method).status_code for method in ("GET", "DELETE")], [404, 404])


class AdminTest(CachesCase):
    def urls(self, name: str, number: int) -> tuple[str, str]:
        listed = reverse(f"admin:builds_{name}_changelist")
        return listed, reverse(f"admin:builds_{name}_change", args=[number])

    def rows(self) -> list[tuple[str, int, str]]:
        store(self.lease, "dist/<i>.whl", b"wheel")
        return [
            ("artifact", artifacts.stored(self.build.pk).get().pk, "dist/&lt;i&gt;.whl"),
            ("cache", self.keep().pk, "pip-linux-&lt;b&gt;"),
        ]

    def test_they_are_looked_at_and_found_and_not_changed(self) -> None:
        self.client.force_login(self.editor)
        for name, number, shown in self.rows():
            listed, one = self.urls(name, number)
            for url in (listed, one, f"{listed}?q={self.project.slug}", f"{listed}?state=stored"):
                answer = self.client.get(url)
                self.assertContains(answer, shown)
                self.assertNotRegex(answer.content.decode(), r"<style|\sstyle=|\son(click|load|submit|change)=", url)
            for query in ("q=nothing", "state=going", "project=other"):
                self.assertNotContains(self.client.get(f"{listed}?{query}"), shown)
            self.assertEqual(self.client.get(f"{listed}add/").status_code, 403)
            self.assertEqual(self.client.post(one.replace("/change/", "/delete/")).status_code, 403)
            self.assertEqual(self.client.post(one, {"key": "x", "path": "x"}).status_code, 403)
        listed = self.urls("artifact", 0)[0]
        self.assertContains(self.client.get(f"{listed}?q={self.build.pk}"), "dist/")
        self.assertContains(self.client.get(f"{listed}?q=%23{self.build.pk}"), "dist/")

    def test_it_takes_a_right_and_a_visible_project(self) -> None:
        rows = self.rows()
        self.client.force_login(self.viewer)
        for name, number, _ in rows:
            self.assertEqual([self.client.get(url).status_code for url in self.urls(name, number)], [403, 403])
        self.strangers()
        self.client.force_login(self.editor)
        for name, number, shown in rows:
            listed, one = self.urls(name, number)
            self.assertNotContains(self.client.get(listed), shown)
            self.assertEqual(self.client.get(one).status_code, 302)

    def test_many_rows_take_as_many_queries_as_one(self) -> None:
        self.client.force_login(self.editor)
        rows = self.rows()
        counts = []
        for extra in (0, 5):
            for number in range(extra):
                store(self.lease, f"more/{number}", b"x")
                self.keep(f"more {number}")
            for name, number, _ in rows:
                with CaptureQueriesContext(connection) as queries:
                    self.client.get(self.urls(name, number)[0])
                counts.append(len(queries))
        self.assertEqual(counts[:2], counts[2:])
