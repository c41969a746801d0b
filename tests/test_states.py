from django.test import SimpleTestCase, tag

from builds.states import (
    BUILD_STATUSES,
    BUILD_TRANSITIONS,
    FINAL,
    STEP_STATUSES,
    STEP_TRANSITIONS,
    Status,
    may_become,
    step_may_become,
)


@tag("fast")
class TransitionsTests(SimpleTestCase):
    def test_a_build_becomes_what_the_table_says_and_nothing_else(self):
        allowed = {
            ("queued", "running"),
            ("queued", "cancelled"),
            ("running", "passed"),
            ("running", "failed"),
            ("running", "cancelled"),
            ("running", "lost"),
        }
        for now in Status:
            for then in Status:
                with self.subTest(now=now, then=then):
                    self.assertEqual(may_become(now, then), (now.value, then.value) in allowed)

    def test_a_step_becomes_what_the_table_says_and_nothing_else(self):
        allowed = {
            ("pending", "running"),
            ("pending", "skipped"),
            ("running", "passed"),
            ("running", "failed"),
            ("running", "cancelled"),
            ("running", "lost"),
        }
        for now in Status:
            for then in Status:
                with self.subTest(now=now, then=then):
                    self.assertEqual(step_may_become(now, then), (now.value, then.value) in allowed)

    def test_what_is_final_stays_and_everything_else_can_end(self):
        for statuses, transitions in ((BUILD_STATUSES, BUILD_TRANSITIONS), (STEP_STATUSES, STEP_TRANSITIONS)):
            for status in statuses:
                with self.subTest(status=status):
                    self.assertEqual(status in FINAL, not transitions.get(status))
                    self.assertLessEqual(transitions.get(status, frozenset()), set(statuses))

    def test_builds_and_steps_have_their_own_words(self):
        self.assertNotIn(Status.SKIPPED, BUILD_STATUSES)
        self.assertNotIn(Status.QUEUED, STEP_STATUSES)
        self.assertEqual(set(BUILD_STATUSES) | set(STEP_STATUSES), set(Status))

    def test_a_status_is_its_text(self):
        self.assertEqual(str(Status.RUNNING), "running")
        self.assertEqual(Status("lost"), "lost")
