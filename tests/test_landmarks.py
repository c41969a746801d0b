"""What a printed line commands, and how groups and annotations are stored: on both databases."""

import json
from typing import Any

from django.db import IntegrityError, OperationalError, connection, models, transaction
from django.test import SimpleTestCase, TestCase, TransactionTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from buildboard.terminal.style import plain
from builds import events, landmarks, lifecycle
from builds.events import Chunk, LeaseLost
from builds.landmarks import Annotation, AnnotationAt, EndGroup, Group, GroupAt, candidates, parse
from builds.models import Annotation as AnnotationRow
from builds.models import Build, LogGroup

from .racing import answer_lost, leased, project

LINE = st.text(st.sampled_from("a:#[]%=, \x1b[1m;é"), max_size=12)
WORDS = [
    "::group::",
    "::error::",
    "##[group]",
    "##[error]",
    "::warning file=a,line=3::",
    "::",
    "##[",
    "\x1b[1;31m",
    "::x",
]


@tag("fast")
class ParseTests(SimpleTestCase):
    def test_commands_as_tools_print_them(self) -> None:
        for text, expected in {
            "::group::Build all": Group("Build all"),
            "::group::": Group(""),
            "##[group]Run make": Group("Run make"),
            "::endgroup::": EndGroup(),
            "##[endgroup]": EndGroup(),
            "::error::It broke": Annotation("error", "It broke"),
            "##[error]Process completed with exit code 2.": Annotation("error", "Process completed with exit code 2."),
            "##[warning]Node 16 is old": Annotation("warning", "Node 16 is old"),
            "::notice title=Hello::x": Annotation("notice", "x", "Hello"),
            "::warning file=src/a.c,line=12,endLine=13,col=5,title=unused::unused variable ‘x’": Annotation(
                "warning", "unused variable ‘x’", "unused", "src/a.c", 12, 5
            ),
            "::error file=tests/test_a.py,line=7,col=1::tests/test_a.py:7:1: E999 a::b": Annotation(
                "error", "tests/test_a.py:7:1: E999 a::b", "", "tests/test_a.py", 7, 1
            ),
            "::ERROR FILE=a::x": Annotation("error", "x", "", "a"),
            "::error ::x": Annotation("error", "x"),
            "::error file=,line=0,col=x,=y,z::x": Annotation("error", "x"),
            "::error line=00000000000012,col=1234567890::x": Annotation("error", "x", "", "", 12),
        }.items():
            with self.subTest(text):
                self.assertEqual(parse(text), expected)

    def test_what_this_board_does_not_know_is_text(self) -> None:
        for text in (
            "", " ::error::x", "x ::error::x", "::debug::x", "::add-mask::secret", "::set-output name=a::b", "::error",
            "::error:x", ":: error::x", "::errors::x", "::std::vector<int>::size()", "##[section]x", "##[command]x",
            "##[error", "[error]x", "##vso[task.logissue type=error]x", "::errorfile=a::x",
        ):  # fmt: skip
            with self.subTest(text):
                self.assertIsNone(parse(text))

    def test_percent_escapes(self) -> None:
        self.assertEqual(parse("::error::a%0Ab%0D%0Ac%25d%3A%2C%0a"), Annotation("error", "a\nb\nc%d%3A%2C%0a"))
        self.assertEqual(parse("::error::%250A"), Annotation("error", "%0A"))
        self.assertEqual(
            parse("::error file=C%3A\\a%2Cb%25,title=a%0Ab::x"), Annotation("error", "x", "a\nb", "C:\\a,b%")
        )
        self.assertEqual(parse("##[error]100%25 sure"), Annotation("error", "100%25 sure"), "these are not escaped")

    def test_long_texts_are_cut_and_say_so(self) -> None:
        long = "é" * 600
        said = parse(f"::error file={long},title={long}::{long}")
        assert isinstance(said, Annotation)
        for text in (said.message, said.title, said.file, parse(f"::group::{long}").name):  # type: ignore[union-attr]
            self.assertEqual(text, "é" * 499 + "…")
        self.assertEqual(parse(f"::group::{'x' * 500}"), Group("x" * 500))

    @given(st.lists(st.sampled_from([*WORDS, "file=", "a", "%0A", " ", ",", "="])).map("".join) | st.text(max_size=30))
    def test_any_line_is_bounded_or_nothing(self, text: str) -> None:
        found = parse(text)
        if isinstance(found, Annotation):
            self.assertIn(found.level, landmarks.LEVELS)
            self.assertTrue(all(len(each) <= 500 for each in (found.message, found.title, found.file)))
            self.assertTrue(all(number is None or 1 <= number < 10**9 for number in (found.file_line, found.column)))

    @given(st.lists(st.tuples(st.sampled_from(["", *WORDS]), LINE).map("".join), max_size=8))
    def test_the_search_misses_no_command(self, lines: list[str]) -> None:
        found = candidates(lines)
        self.assertEqual(found, sorted(set(found)))
        for index, line in enumerate(lines):
            if parse(plain(line)) is not None:
                self.assertIn(index, found)


def annotation(line: int, number: int, level: str = "error", message: str = "It broke") -> AnnotationAt:
    return AnnotationAt(0, line, number, Annotation(level, message, "", "a.c", 3))


class StoreTests(TransactionTestCase):
    def setUp(self) -> None:
        self.lease = leased(project())
        self.begun = [Chunk(0, 1, ["::group::g", "::error::x"]), GroupAt(0, 1, "g", 1), annotation(2, 1)]
        self.counts = {"groups_told": 1, "errors_told": 1}

    def stored(self) -> list[tuple[str, dict[str, Any]]]:
        records = events.read(self.lease.build_id, 2)
        return [(record.kind, json.loads(record.data)) for record in records if record.kind != "log"]

    def test_lines_landmarks_and_counts_are_one_commit(self) -> None:
        events.append(self.lease, self.begun, self.counts)
        self.assertEqual(
            self.stored(),
            [
                ("group", {"step": "one", "number": 1, "name": "g", "line": 1, "last": None}),
                ("annotation", {
                    "step": "one", "line": 2, "level": "error", "message": "It broke", "title": "", "file": "a.c",
                    "file_line": 3, "column": None, "number": 1,
                }),
            ],
        )  # fmt: skip
        build = Build.objects.get(pk=self.lease.build_id)
        self.assertEqual((build.head, self.lease.head), (5, 5))
        self.assertEqual(build.data()["annotations"], {"error": 1, "warning": 0, "notice": 0})
        self.assertEqual(landmarks.groups(build.pk), [GroupAt(0, 1, "g", 1)])
        self.assertEqual(landmarks.annotations(build.pk), [annotation(2, 1)])
        self.assertEqual(events.gaps(build.pk), [])

    def test_an_append_whose_answer_was_lost_is_stored_once(self) -> None:
        for landed in (True, False):
            with self.subTest(landed=landed):
                with self.assertRaises(OperationalError), answer_lost(landed):
                    events.append(self.lease, self.begun, self.counts)
                events.append(self.lease, self.begun, self.counts)
                self.assertEqual(len(self.stored()), 2)
                self.assertEqual(AnnotationRow.objects.count(), 1)
                lifecycle.lose(self.lease.build_id, self.lease.token, "It was silent.")
                AnnotationRow.objects.all().delete()
                self.lease = leased(self.lease_project(), "another")

    def lease_project(self) -> Any:
        return Build.objects.get(pk=self.lease.build_id).project

    def test_a_lease_that_is_lost_stores_nothing(self) -> None:
        lifecycle.lose(self.lease.build_id, self.lease.token, "It was silent.")
        with self.assertRaises(LeaseLost):
            events.append(self.lease, self.begun, self.counts)
        self.assertEqual((LogGroup.objects.count(), AnnotationRow.objects.count()), (0, 0))

    def test_a_group_ends_and_the_next_begins_in_one_commit(self) -> None:
        events.append(self.lease, self.begun, self.counts)
        more = [Chunk(0, 3, ["x", "::group::h", "::group::i"]), GroupAt(0, 1, "g", 1, 3)]
        more += [GroupAt(0, 2, "h", 4), GroupAt(0, 2, "h", 4, 4), GroupAt(0, 3, "i", 5)]
        events.append(self.lease, more, {"groups_told": 3})
        self.assertEqual(
            landmarks.groups(self.lease.build_id),
            [GroupAt(0, 1, "g", 1, 3), GroupAt(0, 2, "h", 4, 4), GroupAt(0, 3, "i", 5)],
        )

    def test_the_open_groups_of_a_lost_worker_end_with_what_their_step_has_printed(self) -> None:
        events.append(self.lease, [*self.begun, Chunk(0, 3, ["a", "b"], open=True)], self.counts)
        lifecycle.lose(self.lease.build_id, self.lease.token, "It was silent.")
        self.assertEqual(landmarks.groups(self.lease.build_id), [GroupAt(0, 1, "g", 1, 4)])
        *_, (kind, data), (last, _) = self.stored()
        self.assertEqual((kind, data["last"], last), ("group", 4, "build"))
        self.assertEqual(events.gaps(self.lease.build_id), [])

    def test_reads_use_the_index_of_the_build(self) -> None:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":  # of a table with no rows it would read all
                cursor.execute("SET enable_seqscan = off")
                cursor.execute("SET enable_bitmapscan = off")
                self.addCleanup(connection.close)
        for rows in (LogGroup.objects.filter(build_id=1), AnnotationRow.objects.filter(build_id=1)):
            plan = rows.order_by("number").explain()
            self.assertRegex(plan, r"SEARCH .*INDEX|Index Scan using (group|annotation)_number")
            self.assertNotIn("Sort", plan)
            self.assertNotIn("B-TREE", plan)


class ConstraintsTests(TestCase):
    def assert_refused(self, row: models.Model, **fields: Any) -> None:
        with self.subTest(type(row).__name__, **fields), self.assertRaises(IntegrityError), transaction.atomic():
            type(row)._default_manager.filter(pk=row.pk).update(**fields)

    def setUp(self) -> None:
        self.build = Build.objects.create(project=project(), recipe="")

    def test_impossible_groups_are_refused(self) -> None:
        group = LogGroup.objects.create(build=self.build, number=1, step=0, line=3, last=3)
        LogGroup.objects.create(build=self.build, number=2, step=0, line=4)
        for fields in ({"line": 0}, {"last": 2}, {"number": 0}, {"number": 2}, {"last": None}):
            self.assert_refused(group, **fields)

    def test_impossible_annotations_are_refused(self) -> None:
        row = AnnotationRow.objects.create(build=self.build, number=1, step=0, line=1, level="error")
        AnnotationRow.objects.create(build=self.build, number=2, step=0, line=1, level="notice", file_line=1, column=1)
        wrong = ({"line": 0}, {"number": 0}, {"number": 2}, {"level": "fatal"}, {"file_line": 0}, {"column": 0})
        for fields in wrong:
            self.assert_refused(row, **fields)

    def test_counts_are_not_negative(self) -> None:
        for name in ("errors_told", "warnings_told", "notices_told", "groups_told"):
            self.assert_refused(self.build, **{name: -1})
