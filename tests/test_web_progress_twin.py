"""`static/builds/progress.js` has the arithmetic of `builds/progress.py`."""

from dataclasses import asdict
from typing import Any

from django.test import SimpleTestCase
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.progress import StepTime, estimate, forecast
from builds.states import STEP_STATUSES

from .node import twins

steps = st.lists(
    st.builds(
        StepTime,
        st.sampled_from(STEP_STATUSES),
        st.none() | st.floats(min_value=0, max_value=5000),
        st.floats(min_value=-1, max_value=9000),
        st.none() | st.floats(min_value=0, max_value=1),
    ),
    min_size=1,
    max_size=8,
)


class ProgressTwinTest(SimpleTestCase):
    def test_the_page_counts_as_the_server_does(self) -> None:
        cases: list[list[StepTime]] = []
        settings(max_examples=400, database=None)(given(steps)(lambda case: cases.append(case)))()
        answers = twins([("estimate", [[_json(step) for step in case]]) for case in cases])
        for case, answer in zip(cases, answers, strict=True):
            ours = estimate(case)
            for mine, theirs in ((ours.fraction, answer["fraction"]), (ours.remaining, answer["remaining"])):
                if mine is None:
                    self.assertIsNone(theirs)
                else:
                    self.assertAlmostEqual(mine, theirs, places=6, msg=str(case))
            self.assertTrue(answer["fraction"] is None or answer["fraction"] < 1)

    def test_the_page_foresees_what_the_server_does(self) -> None:
        cases: list[tuple[list[StepTime], float, list[float]]] = []
        took = st.lists(st.floats(min_value=0, max_value=9000), max_size=10).map(sorted)
        drawn = given(steps, st.floats(min_value=-1, max_value=9000), took)
        settings(max_examples=400, database=None)(drawn(lambda one, at, took: cases.append((one, at, took))))()
        answers = twins([("forecast", [[_json(step) for step in one], at, took]) for one, at, took in cases])
        for case, answer in zip(cases, answers, strict=True):
            for name, mine in asdict(forecast(*case)).items():
                if mine is None:
                    self.assertIsNone(answer[name], f"{name} of {case}")
                else:
                    self.assertAlmostEqual(mine, answer[name], places=6, msg=f"{name} of {case}")


def _json(step: StepTime) -> dict[str, Any]:
    return {"status": str(step.status), "expected": step.expected, "elapsed": step.elapsed, "own": step.own}
