"""The run itself: what cannot run and what fails is told, and makes it fail."""

import sys
from collections.abc import Sequence
from typing import ClassVar

import pytest

from tests.conformance.client import ClientFailed, NotRun
from tests.conformance.json_lines import JsonLinesClient
from tests.conformance.run import FAILED, PASSED, Outcome, outcome_of
from tests.conformance.security import Security
from tests.conformance.table import markdown, plain

PROGRAM = """
import json, sys
for line in sys.stdin:
    command = json.loads(line)["do"]
    if command == "version":
        print("a banner, then the answer")
        print(json.dumps({"ok": "9.9"}), flush=True)
    elif command == "topics":
        print(json.dumps({"error": "Refused: no"}), flush=True)
    else:
        sys.exit("these are my last words")
"""


class Scripted(JsonLinesClient):
    name: ClassVar[str] = "scripted"

    def argv(self) -> Sequence[str]:
        return [sys.executable, "-c", PROGRAM]


class Unreachable(JsonLinesClient):
    name: ClassVar[str] = "unreachable"

    def argv(self) -> Sequence[str]:
        raise NotRun("its registry does not answer")


class Nowhere:
    address = "127.0.0.1:1"

    def secured(self, kind: str) -> tuple[str, Security]:
        raise AssertionError("nobody asks")


@pytest.fixture
def scripted() -> Scripted:
    return Scripted("127.0.0.1:1")


def test_a_program_answers_fails_and_dies(scripted: Scripted) -> None:
    assert scripted.version() == "9.9"
    with pytest.raises(ClientFailed, match="topics: Refused: no"):
        scripted.topics()
    with pytest.raises(ClientFailed, match="these are my last words"):
        scripted.groups()
    scripted.close()


def test_a_failing_feature_is_told_and_makes_the_run_fail(scripted: Scripted) -> None:
    """The scripted client stands in for both sides: its death is what the scenario sees."""
    outcome = outcome_of(Scripted, Nowhere(), scripted, ["topics", "ACLs"])
    scripted.close()
    assert outcome.features == {"topics": FAILED, "ACLs": FAILED}
    assert not outcome.is_good
    assert "last words" in outcome.reasons["topics"]
    shown = markdown([outcome], Outcome("tools", features={"kafka-topics": PASSED}))
    assert "| topics | ✗ |" in shown
    assert "✗ scripted, topics: " in shown


def test_what_cannot_be_reached_is_told_and_makes_the_run_fail(scripted: Scripted) -> None:
    outcome = outcome_of(Unreachable, Nowhere(), scripted)
    scripted.close()
    assert not outcome.is_good
    reason = "NOT RUN: its registry does not answer"
    assert f"**unreachable** {reason}" in markdown([outcome], Outcome("tools"))
    assert f"unreachable: {reason}" in plain([outcome], None)
