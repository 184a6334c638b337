"""The list is whole, its marks are true names, the book is as the list has it, and it can fail."""

import ast

import pytest

from tests.semantics.__main__ import DOCUMENT, trusted
from tests.semantics.item import item, open_for, reasoned
from tests.semantics.items import CLAUSES, ITEMS
from tests.semantics.marks import BadMark, claims, marked
from tests.semantics.run import outcomes_of
from tests.semantics.table import markdown, total_line
from tests.semantics.verdict import FAILING, OPEN, REASONED, TESTED, judge, totals

REPORT = """<testsuites><testsuite>
<testcase classname="tests.unit.test_a" name="test_good[1]"/>
<testcase classname="tests.unit.test_a" name="test_good[2]"/>
<testcase classname="tests.unit.test_a" name="test_bad[1]"><failure/></testcase>
<testcase classname="tests.unit.test_a" name="test_bad[2]"/>
<testcase classname="tests.unit.test_a" name="test_left"><skipped/></testcase>
</testsuite></testsuites>"""


def test_all_98_are_there() -> None:
    assert [one.number for one in ITEMS] == list(range(1, 99))
    assert all(one.clauses for one in ITEMS)


def test_marks_name_clauses_that_there_are() -> None:
    assert sorted(set(claims()) - set(CLAUSES)) == []


def test_every_clause_has_a_test_or_a_reason_or_is_open() -> None:
    """Run `make semantics ARGS=--list` to see the tests of each."""
    found = claims()
    bare = [
        f"{key} {clause.text}"
        for key, clause in CLAUSES.items()
        if key not in found and not clause.reason and not clause.open_for
    ]
    assert bare == []


def test_the_book_is_as_the_list_has_it() -> None:
    """If not: make semantics ARGS=--write."""
    found = claims()
    assert DOCUMENT.read_text() == markdown(judge(ITEMS, found, trusted(found)))


def test_what_fails_is_skipped_or_is_not_run_makes_its_item_fail() -> None:
    items = [
        item(1, "good", "", a="shown"),
        item(2, "bad", "", a="shown", b="one case fails"),
        item(3, "left", "", a="skipped"),
        item(4, "gone", "", a="its test is not run"),
        item(5, "bare", "", a="nobody claims it"),
        item(6, "out", "", a=reasoned("left out", "on purpose")),
        item(7, "later", "", a="shown", b=open_for("issue 4", "is being built")),
    ]
    tests = {"1a": "good", "2a": "good", "2b": "bad", "3a": "left", "4a": "gone", "7a": "good"}
    found = {key: [f"tests/unit/test_a.py::test_{name}"] for key, name in tests.items()}
    verdicts = judge(items, found, outcomes_of(REPORT))
    states = [one.state for one in verdicts]
    assert states == [TESTED, FAILING, FAILING, FAILING, FAILING, REASONED, OPEN]
    assert totals(verdicts) == {TESTED: 1, REASONED: 1, FAILING: 5, OPEN: 1}
    assert (
        total_line(verdicts) == "tested 1 / reasoned 1 / failing 5 (of these open: 1 for issue 4)"
    )


def test_a_mark_that_says_nothing_is_found() -> None:
    good = ast.parse("@pytest.mark.semantics('1a', '2b')\nasync def test_x(): pass\n")
    assert list(marked(good, "f")) == [("test_x", ["1a", "2b"])]
    for decorator, name in (("semantics()", "test_x"), ("semantics(1)", "test_x")):
        with pytest.raises(BadMark, match="f:1"):
            list(marked(ast.parse(f"@pytest.mark.{decorator}\ndef {name}(): pass\n"), "f"))
    with pytest.raises(BadMark, match="helper is no test"):
        list(marked(ast.parse("@pytest.mark.semantics('1a')\ndef helper(): pass\n"), "f"))
