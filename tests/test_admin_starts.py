"""The admin of what starts builds: webhooks and deliveries, schedules, chains."""

import re

from django.contrib.auth.models import Group, Permission, User
from django.test import TestCase
from django.urls import reverse

from builds import deliveries, vault
from builds.hooks import Envelope, Ignored
from builds.models import After, Delivery, Hook, Schedule

from .racing import project
from .test_chains import after
from .test_schedules import nightly


def add(name: str) -> str:
    return reverse(f"admin:builds_{name}_add")


def listed(name: str) -> str:
    return reverse(f"admin:builds_{name}_changelist")


def changed(name: str, number: int) -> str:
    return reverse(f"admin:builds_{name}_change", args=[number])


class StartsTest(TestCase):
    def setUp(self) -> None:
        self.one, self.two = project("one"), project("two")
        self.admin = User.objects.create_superuser("admin")
        self.client.force_login(self.admin)

    def test_a_webhook_is_made_and_its_secret_shown_once(self) -> None:
        answer = self.client.post(add("hook"), {"project": self.one.pk, "branches": "main", "tags": "on"})
        found = re.search(r"(whsec_[^<]+)<", answer.content.decode())
        assert found
        hook = Hook.objects.get()
        self.assertEqual((vault.unseal(hook.secret), hook.made_by, hook.branches), (found[1], "admin", "main"))
        self.assertContains(answer, "http://testserver/hooks/one/")
        self.assertIn("no-store", answer["Cache-Control"])
        page = self.client.get(changed("hook", hook.pk))
        self.assertNotContains(page, "whsec_")
        self.assertNotContains(page, hook.secret)
        self.client.post(changed("hook", hook.pk), {"branches": "", "forks": "on"})
        hook.refresh_from_db()
        self.assertEqual((hook.branches, hook.tags, hook.forks), ("", False, True))
        self.assertEqual(vault.unseal(hook.secret), found[1])

    def test_a_new_secret_is_an_action_on_one(self) -> None:
        for one in (self.one, self.two):
            deliveries.make_secret(one, by="alice")
        before = dict(Hook.objects.values_list("pk", "secret"))
        asked = {"action": "make_secret", "_selected_action": list(before)}
        self.assertContains(self.client.post(listed("hook"), asked, follow=True), "Choose one webhook")
        first = min(before)
        answer = self.client.post(listed("hook"), asked | {"_selected_action": [first]})
        self.assertContains(answer, "whsec_")
        self.assertNotEqual(Hook.objects.get(pk=first).secret, before[first])
        self.assertEqual(Hook.objects.get(pk=max(before)).secret, before[max(before)])

    def test_deliveries_are_only_looked_at(self) -> None:
        deliveries.make_secret(self.one, by="alice")
        made = deliveries.take(Hook.objects.get(), Envelope("github", "ping", "1"), Ignored("A ping."), "192.0.2.7")
        self.assertContains(self.client.get(listed("delivery")), "192.0.2.7")
        self.assertContains(self.client.get(changed("delivery", made.pk)), "A ping.")
        self.assertEqual(self.client.get(add("delivery")).status_code, 403)
        self.client.post(changed("delivery", made.pk), {"why": "x"})
        self.assertEqual(Delivery.objects.get().why, "A ping.")

    def test_a_schedule_is_checked_and_knows_its_next_time(self) -> None:
        given = {"project": self.one.pk, "name": "n", "cron": "30 3 * * *", "zone": "Europe/Berlin", "inputs": "{}"}
        self.client.post(add("schedule"), given | {"enabled": "on"})
        made = Schedule.objects.get()
        self.assertIsNotNone(made.next_at)
        self.assertContains(self.client.get(listed("schedule")), "30 3 * * * Europe/Berlin")
        self.assertEqual(made.made_by, "admin")
        self.assertContains(self.client.post(add("schedule"), given | {"name": "m", "cron": "x"}), "is no time of cron")
        self.client.post(changed("schedule", made.pk), given)
        made.refresh_from_db()
        self.assertEqual((made.enabled, made.next_at), (False, None))

    def test_a_circle_is_said_at_its_field(self) -> None:
        self.client.post(add("after"), {"project": self.two.pk, "upstream": self.one.pk})
        self.assertEqual(After.objects.get().made_by, "admin")
        answer = self.client.post(add("after"), {"project": self.one.pk, "upstream": self.two.pk})
        self.assertContains(answer, "That would be a circle: two is built after one already.")
        self.assertEqual(After.objects.count(), 1)

    def test_who_may_not_see_a_project_finds_nothing_of_it(self) -> None:
        deliveries.make_secret(self.one, by="alice")
        deliveries.refuse(Hook.objects.get(), Envelope("github", "push", "1"), "No.")
        schedule, chain = nightly(project=self.one), after(self.two, self.one)
        self.one.groups.add(Group.objects.create(name="others"))
        staff = User.objects.create_user("staff", is_staff=True)
        staff.user_permissions.set(Permission.objects.filter(content_type__app_label="builds"))
        self.client.force_login(staff)
        for name, row in (
            ("hook", Hook.objects.get()),
            ("delivery", Delivery.objects.get()),
            ("schedule", schedule),
            ("after", chain),
        ):
            self.assertContains(self.client.get(listed(name)), "\n0 ")
            self.assertEqual(self.client.get(changed(name, row.pk)).status_code, 302)

    def test_no_page_has_an_inline_script_or_style(self) -> None:
        for name in ("hook", "delivery", "schedule", "after"):
            for url in (listed(name), add(name)):
                text = self.client.get(url).content.decode()
                self.assertNotRegex(text, r"<style|\sstyle=|\son(click|load|submit|change)=", url)
