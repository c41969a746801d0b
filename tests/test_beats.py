"""Which workers live: by the database's clock, whatever is done to it."""

from datetime import timedelta

from django.test import TransactionTestCase
from django.utils import timezone

from builds import beats
from builds.models import Worker


class BeatsTests(TransactionTestCase):
    def test_workers_live_as_long_as_they_give_signs(self):
        beats.beat("a")
        beats.beat("a", draining=True)
        beats.beat("b")
        self.assertEqual([(w.name, w.renewal, w.draining) for w in beats.living()], [("a", 1, True), ("b", 0, False)])
        Worker.objects.filter(name="a").update(seen_at=timezone.now() - timedelta(hours=1))
        self.assertEqual([worker.name for worker in beats.living()], ["b"])
        self.assertEqual(beats.forget(60), 1)
        beats.farewell("b")
        beats.farewell("b")
        self.assertFalse(Worker.objects.exists())

    def test_each_sign_says_what_the_worker_has_and_why_it_takes_nothing(self):
        beats.beat("a", labels="gpu linux", note="Less than 200 MB are free.")
        (worker,) = beats.living()
        self.assertEqual((worker.labels, worker.note), ("gpu linux", "Less than 200 MB are free."))
        beats.beat("a", labels="gpu linux", note="x" * 500)
        self.assertEqual(beats.living()[0].note, "x" * 200)
        beats.beat("a", labels="gpu linux")
        self.assertEqual(beats.living()[0].note, "")

    def test_a_clock_that_was_set_back_makes_no_dead_worker_live(self):
        beats.beat("dead")
        Worker.objects.update(seen_at=timezone.now() + timedelta(hours=2))
        beats.beat("alive")
        self.assertEqual([worker.name for worker in beats.living()], ["alive"])
        self.assertEqual(beats.forget(60), 1)
        self.assertEqual([worker.name for worker in Worker.objects.all()], ["alive"])

    def test_a_worker_that_was_forgotten_is_there_again_with_its_next_sign(self):
        beats.beat("a")
        Worker.objects.update(seen_at=timezone.now() - timedelta(hours=1))
        beats.forget(60)
        beats.beat("a")
        self.assertEqual([worker.name for worker in beats.living()], ["a"])
