"""Groups and annotations found in what steps print: at which lines, once, and bounded."""

import json
import time

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from buildboard.terminal.masks import Masks
from builds import events, landmarks
from builds.events import Chunk
from builds.landmarks import MAX_ANNOTATIONS, MAX_GROUPS, Annotation, AnnotationAt, GroupAt, Landmark
from builds.lookout import Finder
from builds.models import Annotation as AnnotationRow
from builds.models import Build, Event, LogGroup
from builds.worker.steplog import StepLog

from .test_worker_runner import RunnerCase


def found(finder: Finder, *chunks: Chunk, over: tuple[int, ...] = ()) -> list[Landmark]:
    return [each for each in finder.look(chunks, over).drafts if not isinstance(each, Chunk)]


@tag("fast")
class FinderTests(SimpleTestCase):
    def setUp(self) -> None:
        self.finder = Finder()

    def test_what_escapes_have_hidden_from_the_line_s_masks_is_masked(self) -> None:
        self.finder.masked = Masks(["a:b,c/d e"]).text
        line = "::error file=a%3Ab%2Cc/d e,title=a%3Ab%2Cc/d e::a:b,c/d e a%25"
        [said] = found(self.finder, Chunk(0, 1, [line]))
        self.assertEqual(said.said, Annotation("error", "*** a%", "***", "***"))
        [group] = found(self.finder, Chunk(0, 1, ["::group::with a:b,c/d e"]))
        self.assertEqual(group.name, "with ***")

    def test_each_chunk_is_followed_by_what_is_in_it(self) -> None:
        chunks = [
            Chunk(0, 1, ["a", "::error::x"]),
            Chunk(0, 3, ["b"]),
            Chunk(1, 1, ["\x1b[1m\x1b[31m##[error]y\x1b[0m"]),
        ]
        drafts, counts = self.finder.look(chunks)
        said = [AnnotationAt(0, 2, 1, Annotation("error", "x")), AnnotationAt(1, 1, 2, Annotation("error", "y"))]
        self.assertEqual(drafts, [chunks[0], said[0], chunks[1], chunks[2], said[1]])
        self.assertEqual(counts, {"errors_told": 2})
        self.assertEqual(self.finder.look([Chunk(0, 4, ["z"])]).counts, {}, "nothing has changed")

    def test_a_group_ends_with_its_end_the_next_one_or_its_step(self) -> None:
        chunk = Chunk(0, 1, ["::endgroup::", "::group::a", "x", "::endgroup::", "y", "::group::b", "::group::c", "z"])
        self.assertEqual(
            found(self.finder, chunk),
            [
                GroupAt(0, 1, "a", 2),
                GroupAt(0, 1, "a", 2, 4),
                GroupAt(0, 2, "b", 6),
                GroupAt(0, 2, "b", 6, 6),
                GroupAt(0, 3, "c", 7),
            ],
        )
        self.assertEqual(found(self.finder, Chunk(0, 9, ["q"]), over=(0,)), [GroupAt(0, 3, "c", 7, 9)])
        self.assertEqual(found(self.finder, over=(0, 1)), [])

    def test_files_of_the_workspace_are_told_from_there(self) -> None:
        self.finder.workspaces[0] = "/srv/w/7"
        told = found(self.finder, Chunk(0, 1, ["::error file=/srv/w/7/src/a.c::x", "::error file=/srv/w/77/b.c::y"]))
        self.assertEqual([one.said.file for one in told if isinstance(one, AnnotationAt)], ["src/a.c", "/srv/w/77/b.c"])

    def test_steps_that_take_turns_have_groups_of_their_own(self) -> None:
        found(self.finder, Chunk(0, 1, ["::group::a"]), Chunk(1, 1, ["::group::b"]))
        self.assertEqual(found(self.finder, Chunk(0, 2, ["::endgroup::"])), [GroupAt(0, 1, "a", 1, 2)])
        self.assertEqual(found(self.finder, over=(1,)), [GroupAt(1, 2, "b", 1, 1)])

    def test_an_open_line_counts_when_it_is_whole(self) -> None:
        self.assertEqual(found(self.finder, Chunk(0, 1, ["::error::It"], open=True)), [])
        self.assertEqual(found(self.finder, Chunk(0, 1, ["::error::It broke"], open=True)), [])
        [said] = found(self.finder, Chunk(0, 1, ["::error::It broke badly", "x"]))
        self.assertEqual(said, AnnotationAt(0, 1, 1, Annotation("error", "It broke badly")))

    def test_beyond_the_bounds_they_are_counted_and_no_group_takes_in_what_follows(self) -> None:
        lines = [f"::group::{n}" for n in range(MAX_GROUPS + 5)] + ["::warning::w"] * (MAX_ANNOTATIONS + 7)
        drafts, counts = self.finder.look([Chunk(0, 1, lines)])
        self.assertEqual(counts, {"groups_told": MAX_GROUPS + 5, "warnings_told": MAX_ANNOTATIONS + 7})
        ended = [each for each in drafts if isinstance(each, GroupAt) and each.last is not None]
        self.assertEqual(len(ended), MAX_GROUPS)
        self.assertEqual(ended[-1], GroupAt(0, MAX_GROUPS, f"{MAX_GROUPS - 1}", MAX_GROUPS, MAX_GROUPS))
        self.assertEqual(sum(isinstance(each, AnnotationAt) for each in drafts), MAX_ANNOTATIONS)
        [said] = found(self.finder, Chunk(0, len(lines) + 1, ["::error::still", "::endgroup::"]), over=(0,))
        self.assertEqual(said.number, MAX_ANNOTATIONS + 1)

    @given(
        st.lists(st.tuples(st.sampled_from(["::group::g\n", "::endgroup::\n", "::error::e\n", "x\n", "y"]),
                           st.sampled_from([0.0, 0.05, 0.3, 1.5]), st.booleans()), max_size=25)
    )  # fmt: skip
    def test_however_it_is_flushed_the_landmarks_are_those_of_the_whole(self, printed: list) -> None:
        log, finder, now = StepLog(0), Finder(), 0.0
        landmarks: list[Landmark] = []
        for text, pause, taken in printed:
            now += pause
            log.feed(text.encode(), now)
            if taken:
                landmarks += found(finder, *log.take(now))
        log.close(now)
        landmarks += found(finder, *log.take(now), over=(0,))
        whole = "".join(text for text, *_ in printed)
        lines = whole.removesuffix("\n").split("\n") if whole else []
        at_once = found(Finder(), *([Chunk(0, 1, lines)] if lines else []), over=(0,))
        self.assertEqual(landmarks, at_once)


class RunTests(RunnerCase):
    def told(self, build: Build, kind: str) -> list[dict]:
        return [json.loads(record.data) for record in events.read(build.pk, 0, 9999) if record.kind == kind]

    def test_a_build_stores_what_its_steps_say(self) -> None:
        build = self.run_build(
            "printf '::group::a\\nin\\n::endgroup::\\nout\\n::group::b\\n'; printf '::error file=a.c,line=3::x'; exit 1"
        )
        self.assertEqual(landmarks.groups(build.pk), [GroupAt(0, 1, "a", 1, 3), GroupAt(0, 2, "b", 5, 6)])
        said = Annotation("error", "x", "", "a.c", 3)
        self.assertEqual(landmarks.annotations(build.pk), [AnnotationAt(0, 6, 1, said)])
        self.assertEqual(self.log(build)[5], "::error file=a.c,line=3::x", "the line stays as it is")
        kinds = [record.kind for record in events.read(build.pk, 0) if record.kind != "log"]
        marks = ["group", "group", "group", "annotation", "group"]
        self.assertEqual(kinds, ["build", "build", "step", *marks, "step", "build"])
        self.assertEqual(self.told(build, "build")[-1]["annotations"], {"error": 1, "warning": 0, "notice": 0})

    def test_a_command_on_an_open_line_counts_once(self) -> None:
        build = self.run_build("printf '::warning::half'; sleep 0.5; printf ' whole\\n'; sleep 0.1")
        self.assertTrue(Event.objects.filter(build=build, open=True).exists(), "it was shown while it was open")
        said = Annotation("warning", "half whole")
        self.assertEqual(landmarks.annotations(build.pk), [AnnotationAt(0, 1, 1, said)])
        self.assertEqual(len(self.told(build, "annotation")), 1)

    def test_late_output_counts_at_its_lines_and_its_group_ends_with_the_build(self) -> None:
        late = '(setsid sh -c \'while [ ! -e "$PIDS/go" ]; do sleep 0.02; done; echo ::group::late; echo x;'
        late += ' printf ::error::unended; touch "$PIDS/said"; sleep 60\' &) ; echo first'
        wait = 'touch "$PIDS/go"; while [ ! -e "$PIDS/said" ]; do sleep 0.02; done; sleep 0.2; echo ::group::mine'
        build = self.run_build(late, wait)
        self.assertEqual(build.status, "passed")
        self.assertEqual(sorted(landmarks.groups(build.pk)), [GroupAt(0, 1, "late", 2, 4), GroupAt(1, 2, "mine", 1, 1)])
        self.assertEqual(landmarks.annotations(build.pk), [AnnotationAt(0, 4, 1, Annotation("error", "unended"))])

    def test_a_flood_of_commands_is_bounded_and_does_not_take_long(self) -> None:
        began = time.monotonic()
        build = self.run_build(
            "i=0; while [ $i -lt 50 ]; do seq -f '::group::group %g' 1 2000; seq -f '::error::error %g' 1 2000;"
            " i=$((i+1)); done"
        )
        self.assertLess(time.monotonic() - began, 120, "a slow machine, and still no crawl")
        self.assertEqual(build.status, "passed")
        self.assertEqual((build.groups_told, build.errors_told), (100_000, 100_000))
        self.assertEqual(LogGroup.objects.filter(build=build).count(), MAX_GROUPS)
        self.assertEqual(AnnotationRow.objects.filter(build=build).count(), MAX_ANNOTATIONS)
        facts = Event.objects.filter(build=build, kind__in=["group", "annotation"])
        self.assertEqual(facts.count(), 2 * MAX_GROUPS + MAX_ANNOTATIONS)
        self.assertEqual(events.gaps(build.pk), [])
