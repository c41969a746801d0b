"""`static/builds/progress.js` has the arithmetic of `builds/progress.py`."""

from dataclasses import asdict, replace
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
).flatmap(
    lambda found: st.lists(
        st.none() | st.sets(st.integers(0, 7), max_size=3), min_size=len(found), max_size=len(found)
    ).map(
        lambda needs: [
            replace(one, needs=_earlier(own, at)) for at, (one, own) in enumerate(zip(found, needs, strict=True))
        ]
    )
)
lanes = st.none() | st.integers(1, 4)


class ProgressTwinTest(SimpleTestCase):
    def test_the_page_counts_as_the_server_does(self) -> None:
        cases: list[tuple[list[StepTime], int | None]] = []
        settings(max_examples=400, database=None)(given(steps, lanes)(lambda one, wide: cases.append((one, wide))))()
        answers = twins([("estimate", [[_json(step) for step in one], wide]) for one, wide in cases])
        for case, answer in zip(cases, answers, strict=True):
            ours = estimate(*case)
            for mine, theirs in ((ours.fraction, answer["fraction"]), (ours.remaining, answer["remaining"])):
                if mine is None:
                    self.assertIsNone(theirs)
                else:
                    self.assertAlmostEqual(mine, theirs, places=6, msg=str(case))
            self.assertTrue(answer["fraction"] is None or answer["fraction"] < 1)

    def test_the_page_foresees_what_the_server_does(self) -> None:
        cases: list[tuple[list[StepTime], float, list[float], int | None]] = []
        took = st.lists(st.floats(min_value=0, max_value=9000), max_size=10).map(sorted)
        drawn = given(steps, st.floats(min_value=-1, max_value=9000), took, lanes)
        settings(max_examples=400, database=None)(
            drawn(lambda one, at, took, wide: cases.append((one, at, took, wide)))
        )()
        answers = twins([("forecast", [[_json(step) for step in one], *others]) for one, *others in cases])
        for case, answer in zip(cases, answers, strict=True):
            for name, mine in asdict(forecast(*case)).items():
                if mine is None:
                    self.assertIsNone(answer[name], f"{name} of {case}")
                else:
                    self.assertAlmostEqual(mine, answer[name], places=6, msg=f"{name} of {case}")


def _json(step: StepTime) -> dict[str, Any]:
    needs = None if step.needs is None else list(step.needs)
    known = {"status": str(step.status), "expected": step.expected, "elapsed": step.elapsed, "own": step.own}
    return known | {"needs": needs}


def _earlier(drawn: set[int] | None, at: int) -> list[int] | None:
    return None if drawn is None else sorted(one for one in drawn if one < at)
