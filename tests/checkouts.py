"""What tests of the checkout program share: a repository, a workspace, and a mirror."""

import os
import tempfile
from pathlib import Path

from django.test import SimpleTestCase

from tests.support.repositories import Checkouts, Origin

RECIPE = "steps: [{name: a, run: echo}]\n"


class CheckoutCase(SimpleTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-checkout-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = Path(os.path.realpath(folder.name))
        self.checkouts = Checkouts(self.folder)
        self.origin = Origin(self.folder / "srv/widgets")
        self.run_ = self.checkouts.run

    def fails(self, said: str, address: str | Path | None = None, **order: object) -> None:
        result = self.run_(address or self.origin.path, **order)
        self.assertEqual(self.checkouts.code, 1, self.checkouts.said)
        self.assertIn(said, result.get("error", ""), self.checkouts.said)
        self.assertIn(result["error"], self.checkouts.said)

    def checked_out(self, address: str | Path | None = None, **order: object) -> dict:
        result = self.run_(address or self.origin.path, **order)
        self.assertNotIn("error", result, self.checkouts.said)
        self.assertEqual(self.checkouts.code, 0)
        return result
