"""From a forge's delivery to the build of the next project, on a real board whose workers are killed in between."""

import http.client

from django.test import SimpleTestCase

from builds import chains, deliveries
from builds.models import After, Build, FollowUp, Project

from . import forges
from .support.board import Board
from .support.processes import eventually

RECIPE = "steps: [{name: say, run: echo hi}]"


class StartsTest(SimpleTestCase):
    databases = {"default"}

    def test_a_push_is_built_and_followed_once_though_workers_are_killed(self) -> None:
        with Board(BUILDBOARD_LEASE_SECONDS="3") as board:
            for slug in ("tests", "deploy"):
                board.project(slug, RECIPE)
            with board.database():
                tests, deploy = (Project.objects.get(slug=slug) for slug in ("tests", "deploy"))
                secret = deliveries.make_secret(tests, by="alice")
                chains.save(After(project=deploy, upstream=tests, branches="main"))
            web, worker = board.web(), board.workers(1)
            delivery = forges.github(forges.github_push(), secret)
            for status in (201, 200):
                connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
                connection.request("POST", "/hooks/tests/", delivery.body, delivery.headers)
                self.assertEqual(connection.getresponse().status, status)
                connection.close()
            with board.database():

                def has_passed() -> bool:
                    return Build.objects.filter(project=tests, status="passed").exists()

                eventually(has_passed, 60)
            worker.kill()
            with board.database():  # whether what follows had been started by then or not
                self.assertEqual(FollowUp.objects.count() + Build.objects.filter(project=deploy).count(), 1)
            board.workers(1)
            with board.database():

                def is_followed() -> bool:
                    return Build.objects.filter(project=deploy).exclude(status__in=("queued", "running")).exists()

                eventually(is_followed, 60)
                self.assertEqual(FollowUp.objects.count(), 0)
                [first], [build] = Build.objects.filter(project=tests), Build.objects.filter(project=deploy)
            self.assertEqual((build.parent_id, build.trigger, first.trigger), (first.pk, "project", "push"))
            page = board.get(f"/api/v1/builds/{build.pk}").json()
            self.assertEqual((page["parent"], page["started_by"]), (first.pk, "another project"))
