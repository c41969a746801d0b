"""What started a build, in words: on its page and in rows."""

from django.test import SimpleTestCase, tag

from builds.models import Build
from builds.source import TRIGGERS
from builds.web.started import by_what


@tag("fast")
class ByWhatTest(SimpleTestCase):
    def test_each_trigger(self) -> None:
        for fields, said in (
            ({"trigger": "push", "branch": "main"}, "push to main"),
            ({"trigger": "tag", "tag": "v1"}, "tag v1"),
            ({"trigger": "pull_request", "pull_request": 7, "branch": "main"}, "pull request 7 to main"),
            ({"trigger": "pull_request", "pull_request": 7, "fork": True}, "pull request 7, from a fork"),
            ({"trigger": "api"}, "over the API"),
            ({"trigger": "api", "fork": True}, "over the API, taken for a fork’s"),
            ({"trigger": "manual", "ref": "refs/pull/7/head", "fork": True}, "taken for a fork’s"),
            ({"trigger": "command"}, "by a command"),
            ({"trigger": "manual"}, ""),
            ({"trigger": "schedule"}, ""),
            ({"trigger": "project"}, ""),
        ):
            self.assertEqual(by_what(Build(**fields)), said)
        for trigger in TRIGGERS:
            by_what(Build(trigger=trigger))
