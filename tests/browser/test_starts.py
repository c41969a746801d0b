"""The pages of what starts builds: nothing that keeps people out, and a secret that can be copied."""

from builds import chains, deliveries, schedules
from builds.hooks import Envelope, Ignored, Wanted
from builds.models import After, Hook, Project, Schedule
from builds.source import Source

from ..support.board import Board
from ..support.browser import BrowserCase
from .test_axe import violations

RECIPE = "inputs: {target: {default: all, help: what is made}}\nsteps: [{name: one, run: 'true'}]"
COMMIT = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
PAGES = ("deliveries", "schedules", "after")


class StartsTest(BrowserCase):
    def setUp(self) -> None:
        super().setUp()
        self.board = self.enterContext(Board())
        for slug in ("lantern", "other", "empty"):
            self.board.project(slug, RECIPE)
        self.web = self.board.web()
        self.sign_in(self.board, "admin")

    def test_nothing_serious_on_any_page(self) -> None:
        with self.board.database():
            project, other = Project.objects.get(slug="lantern"), Project.objects.get(slug="other")
            deliveries.make_secret(project, by="admin")
            hook = Hook.objects.get()
            push = Wanted("main", Source("push", "main", commit=COMMIT, title="Fix it"), sender="octocat")
            deliveries.take(hook, Envelope("github", "push", "1"), push)
            deliveries.take(hook, Envelope("github", "ping", "2"), Ignored("A ping: the hook works."))
            deliveries.refuse(hook, Envelope("gitea", "push", "3"), "Its signature does not fit.")
            made = Schedule(project=project, name="nightly", cron="30 3 * * *", zone="Europe/Berlin", missed=3)
            made.note, made.missed_at = "3 starts were missed.", hook.made_at
            schedules.save(made)
            chains.save(After(project=project, upstream=other, branches="main", note="It could not be started."))
        paths = [
            *(
                f"/projects/{slug}/{page}/"
                for slug in ("lantern", "empty")
                for page in ("deliveries", "schedules", "after")
            ),
            f"/projects/lantern/schedules/{made.pk}/",
        ]
        found = [each for path in paths for each in violations(self.page, self.web.url, path)]
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_no_page_is_wider_than_a_phone(self) -> None:
        self.page.set_viewport_size({"width": 390, "height": 844})
        for page in PAGES:
            self.page.goto(f"{self.web.url}/projects/lantern/{page}/")
            self.assertLessEqual(self.page.evaluate("document.documentElement.scrollWidth"), 390, page)

    def test_a_secret_is_made_and_can_be_copied(self) -> None:
        self.page.goto(f"{self.web.url}/projects/lantern/deliveries/")
        self.page.get_by_role("button", name="Make a secret").click()
        field = self.page.get_by_label("Secret", exact=True)
        self.assertRegex(field.input_value(), r"\Awhsec_")
        self.page.locator("[data-copy=secret]").click()
        self.page.locator("[data-copy=secret]", has_text="Copied").wait_for()
        self.page.goto(f"{self.web.url}/projects/lantern/deliveries/")
        self.assertEqual(self.page.get_by_label("Secret", exact=True).count(), 0)
