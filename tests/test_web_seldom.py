from django.test import SimpleTestCase, tag

from builds.web.seldom import Seldom


@tag("fast")
class SeldomTest(SimpleTestCase):
    def setUp(self) -> None:
        self.now, self.takes, self.asked = 0.0, 0.1, 0

    def work(self) -> int:
        self.asked += 1
        self.now += self.takes
        return self.asked

    def test_an_answer_is_kept_for_a_while(self) -> None:
        count = Seldom(self.work, 60.0, lambda: self.now)
        self.assertEqual([count("a"), count("a")], [1, 1])
        self.now = 60.0
        self.assertEqual(count("a"), 1)
        self.now = 60.2
        self.assertEqual(count("a"), 2)

    def test_what_takes_long_is_at_work_for_a_hundredth_of_the_time_at_most(self) -> None:
        self.takes = 3.0
        count = Seldom(self.work, 60.0, lambda: self.now)
        count()
        self.now = 302.9
        self.assertEqual(count(), 1)
        self.now = 303.0
        self.assertEqual(count(), 2)

    def test_about_something_else_it_is_worked_out_at_once(self) -> None:
        count = Seldom(self.work, 60.0, lambda: self.now)
        self.assertEqual([count("a"), count("b"), count("b"), count("a")], [1, 2, 2, 3])

    def test_what_failed_is_not_kept(self) -> None:
        def fail() -> int:
            if self.work() == 2:
                raise OSError
            return self.asked

        count = Seldom(fail, 60.0, lambda: self.now)
        self.assertEqual(count(), 1)
        self.now = 100.0
        with self.assertRaises(OSError):
            count()
        self.assertEqual(count(), 3)
