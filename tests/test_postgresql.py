"""The modules that are bound to the database, once more on a real PostgreSQL: row locks, visibility, constraints."""

import os
import subprocess
import sys
import tempfile

from django.test import SimpleTestCase

from .support import ROOT
from .support.servers import postgres_url

MODULES = (
    "tests.test_models",
    "tests.test_cuts",
    "tests.test_landmarks",
    "tests.test_logrows",
    "tests.test_logbytes",
    "tests.test_telling",
    "tests.test_events",
    "tests.test_lifecycle",
    "tests.test_lifecycle_starts",
    "tests.test_lifecycle_cancels",
    "tests.test_lifecycle_gone",
    "tests.test_lifecycle_kept",
    "tests.test_lifecycle_again",
    "tests.test_deliveries",
    "tests.test_schedules",
    "tests.test_chains",
    "tests.test_beats",
    "tests.test_queue",
    "tests.test_queue_places",
    "tests.test_worlds",
    "tests.test_caches",
    "tests.test_uploads",
    "tests.test_uploads_between",
    "tests.test_api_projects",
    "tests.test_blocks",
    "tests.test_live_text",
    "tests.test_silences",
    "tests.test_retention",
    "tests.test_retention_rules",
    "tests.test_retention_turns",
    "tests.test_search_slices",
    "tests.test_growth",
    "tests.test_revisions",
    "tests.test_web_filters",
    "tests.test_web_front",
    "tests.test_web_history",
)


class PostgresqlTests(SimpleTestCase):
    def test_the_core_holds_there_too(self):
        with tempfile.TemporaryDirectory() as data:
            environment = os.environ | {"DATABASE_URL": postgres_url(), "BUILDBOARD_DATA": data}
            done = subprocess.run(
                [sys.executable, "manage.py", "test", *MODULES],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"Ran [1-9]\d\d tests")
        self.assertNotIn("skipped", done.stderr)
