"""What a build's page tells beside the log itself: how long still and how sure that is, how long beside other builds,
when nothing was printed, and why it failed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.conf import settings

from buildboard.terminal.style import plain

from .. import landmarks, printed, silences
from ..landmarks import Annotation
from ..models import Build, Step
from ..progress import FEW, Forecast, forecast, spread
from ..silences import Silence
from ..states import Status
from . import comparison, words
from .comparison import Comparison, Spot
from .once import Busy
from .rows import last_durations, usual_range


@dataclass(frozen=True)
class SilenceLine:
    silence: Silence
    name: str

    @property
    def said(self) -> str:
        return words.silence(self.silence.seconds, self.name, self.silence.line)

    @property
    def anchor(self) -> str:
        step = self.silence.step + 1
        return f"{step}:{self.silence.line}" if self.silence.line else f"step-{step}"


@dataclass(frozen=True)
class Insight:
    """Each part is worked out when a template asks for it. `steps`: in their order."""

    build: Build
    steps: Sequence[Step]

    # --- Time ---

    @cached_property
    def durations(self) -> list[float]:
        """Seconds of the last passed builds before it, ascending."""
        return last_durations(self.build)

    @property
    def durations_json(self) -> str:
        return json.dumps(self.durations)

    @cached_property
    def forecast(self) -> Forecast | None:
        """None: it does not run."""
        if self.build.status != Status.RUNNING:
            return None
        times = [step.time() for step in self.steps]
        lanes = settings.BUILDBOARD_MAX_PARALLEL_STEPS
        return forecast(times, self.build.duration or 0.0, self.durations, lanes)

    @property
    def percent(self) -> str:
        return words.percent(self.forecast.fraction if self.forecast else None) or "…"

    @property
    def left(self) -> str:
        return (words.left(self.forecast.remaining, self.forecast.low) if self.forecast else "") or "no history yet"

    @property
    def usual(self) -> str:
        if not self.forecast:
            return ""
        late = words.outlasted(self.forecast.outlasted, len(self.durations))
        return late or words.usually(self.forecast.low, self.forecast.high)

    @property
    def fill(self) -> str:
        return _share(self.forecast.fill if self.forecast else None)

    @property
    def zone(self) -> tuple[str, str]:
        """Where the zone in which builds usually end begins on the bar, and how wide it is."""
        begin = self.forecast.zone if self.forecast else None
        return (_share(begin), _share(1 - begin)) if begin is not None else (_share(1), _share(0))

    @property
    def compared(self) -> str:
        """`12 s longer than usual`; of what did not pass only that it took longer: it ended before its time.

        Of a build that waits: `usually 42–49 s`.
        """
        if self.build.status == Status.QUEUED:
            return usual_range(self.durations)
        if not self.build.is_final or len(self.durations) < FEW:
            return ""
        usual, took = spread(self.durations)[1], self.build.duration
        return words.compared(took, usual) if self.build.status == Status.PASSED or (took or 0.0) > usual else ""

    # --- Silences ---

    @cached_property
    def silences(self) -> list[SilenceLine]:
        """Those that are over, the longest first."""
        return [self._line(one) for one in silences.of_build(self.build, self.steps) if not one.lasts]

    @cached_property
    def lasting(self) -> SilenceLine | None:
        found = silences.lasting(self.build, self.steps)
        return self._line(found) if found else None

    @property
    def lasts_long(self) -> bool:
        least = max(silences.LEAST_SECONDS, silences.LEAST_SHARE * (self.build.duration or 0.0))
        return self.lasting is not None and self.lasting.silence.seconds >= least

    def _line(self, one: Silence) -> SilenceLine:
        return SilenceLine(one, next(step.name for step in self.steps if step.position == one.step))

    # --- Failure ---

    @property
    def first_error(self) -> Spot | None:
        """None also where it was not looked for: the page does without it, and opens at its end."""
        return self._looked_for[0]

    @property
    def is_busy(self) -> bool:
        """The first error was not looked for: others have theirs looked for just now."""
        return self._looked_for[1]

    @cached_property
    def _looked_for(self) -> tuple[Spot | None, bool]:
        try:
            return comparison.first_error(self.build, self.steps), False
        except Busy:
            return None, True

    @property
    def first_error_step(self) -> str:
        return self.steps[self.first_error.step].name if self.first_error else ""

    @cached_property
    def first_error_text(self) -> str:
        spot, said = self.first_error, self._annotated
        if said:  # its line may be gone: the log is cut where it is too long, and what it says of itself stays
            return ": ".join(filter(None, (said.place, said.message)))
        found = printed.lines(self.build.pk, spot.step, spot.line, spot.line) if spot else []
        return plain(found[0].text).strip()[:500] if found else ""

    @property
    def is_annotated(self) -> bool:
        """The first error is one that its step has called an error, and so listed."""
        return self._annotated is not None

    @cached_property
    def _annotated(self) -> Annotation | None:
        if not self.first_error or not self.build.annotations_told["error"]:
            return None
        at = landmarks.annotations(self.build.pk)
        return next((one.said for one in at if Spot(one.step, one.line) == self.first_error), None)

    @property
    def failed_step(self) -> Step | None:
        return comparison.failed_step(self.build, self.steps)

    @cached_property
    def last_passed(self) -> Build | None:
        """Of a build that failed in a step: what it is compared with."""
        return comparison.last_passed(self.build) if self.failed_step else None

    @property
    def says_why(self) -> bool:
        return bool(self.first_error_text or self.last_passed)

    def compare(self) -> Comparison | None:
        """`Busy` where others have theirs compared just now."""
        return comparison.compare(self.build, self.steps)


def _share(value: float | None) -> str:
    return f"{(value or 0) * 100:.2f}%"
