"""The run itself: what cannot run and what fails is told, and makes it fail."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from tests.conformance import beside
from tests.conformance.allowed import Allowed
from tests.conformance.beside import Pair
from tests.conformance.client import ClientFailed, NotRun
from tests.conformance.json_lines import JsonLinesClient
from tests.conformance.kept import Kept
from tests.conformance.place import Death
from tests.conformance.record import Record
from tests.conformance.run import FAILED, PASSED, TRIES_MAX, Outcome, outcome_of
from tests.conformance.security import Security
from tests.conformance.table import APACHE, KILLS, ONE, Run, markdown, plain, rewritten
from tests.conformance.world import World

PROGRAM = """
import json, os, signal, sys
for line in sys.stdin:
    command = json.loads(line)["do"]
    if command == "version":
        print("a banner, then the answer")
        print(json.dumps({"ok": "9.9"}), flush=True)
    elif command == "topics":
        print(json.dumps({"error": "Refused: no"}), flush=True)
    elif command == "acls":
        os.kill(os.getpid(), signal.SIGKILL)
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
    replicas = 1
    kills = 0
    deaths: Sequence[Death] = ()

    def secured(self, kind: str) -> tuple[str, Security]:
        raise AssertionError("nobody asks")


@pytest.fixture
def scripted() -> Scripted:
    return Scripted("127.0.0.1:1")


def test_a_program_answers_fails_and_dies(scripted: Scripted) -> None:
    assert scripted.version() == "9.9"
    with pytest.raises(ClientFailed, match="topics: Refused: no"):
        scripted.topics()
    with pytest.raises(ClientFailed, match="groups: the program ended with 1: these are my last"):
        scripted.groups()
    scripted.close()


def test_a_program_that_is_killed_says_by_what(scripted: Scripted) -> None:
    with pytest.raises(ClientFailed, match="acls: the program ended by SIGKILL"):
        scripted.acls("t")
    scripted.close()


def test_a_failing_feature_is_told_and_makes_the_run_fail(scripted: Scripted) -> None:
    """The scripted client stands in for both sides: its death is what the scenario sees."""
    outcome = outcome_of(Scripted, Nowhere(), scripted, ["topics", "ACLs"])
    scripted.close()
    assert outcome.features == {"topics": FAILED, "ACLs": FAILED}
    assert not outcome.is_good
    assert "last words" in outcome.reasons["topics"]
    shown = markdown(Run(), [outcome], Outcome("tools", features={"kafka-topics": PASSED}))
    assert "| topics | ✗ |" in shown
    assert "✗ scripted, topics: " in shown


def test_what_cannot_be_reached_is_told_and_makes_the_run_fail(scripted: Scripted) -> None:
    outcome = outcome_of(Unreachable, Nowhere(), scripted)
    scripted.close()
    assert not outcome.is_good
    reason = "NOT RUN: its registry does not answer"
    assert f"**unreachable** {reason}" in markdown(Run(), [outcome], Outcome("tools"))
    assert f"unreachable: {reason}" in plain(Run(), [outcome], None)


def test_a_run_rewrites_its_own_part_of_the_document() -> None:
    one, killed = Run(), Run(brokers=3, kill_every_s=10.0, seed=7)
    shown = Outcome("it", "1.0", features={"topics": PASSED})
    tools = Outcome("tools")
    text = rewritten("", ONE, markdown(one, [shown], tools))
    shown.again["topics"] = ["it does not retry"]
    shown.hit["topics"] = 2
    text = rewritten(text, KILLS, markdown(killed, [shown], tools))
    before, _, after = text.partition(f"## {KILLS}")
    assert f"## {ONE}" in before
    assert "| topics | ✓ |" in before
    assert "| topics | ✓* |" in after
    assert "✓* it, topics: it does not retry" in after
    assert "1 of 1 scenarios were hit" in after
    shown.features["topics"] = FAILED
    again = rewritten(text, ONE, markdown(one, [shown], tools))
    assert again.partition(f"## {KILLS}")[2] == after, "the other part stays as it was"
    assert "| topics | ✗ |" in again


def test_a_run_goes_on_where_it_ended(tmp_path: Path) -> None:
    first = Kept(KILLS, is_resumed=False, folder=tmp_path)
    first.keep("a", Outcome("A", "1", features={"topics": PASSED}, hit={"topics": 2}, kills=3))
    again = Kept(KILLS, is_resumed=True, folder=tmp_path)
    assert again.outcomes == first.outcomes
    assert Kept(ONE, is_resumed=True, folder=tmp_path).outcomes == {}, "another kind of run"
    assert again.left_of("a", ["topics", "ACLs"]) == ["ACLs"]
    again.keep("a", Outcome("A", "2", features={"ACLs": FAILED}, reasons={"ACLs": "x"}, kills=1))
    assert again.left_of("a", ["topics", "ACLs"]) == ["ACLs"], "a failure is tried again"
    again.keep("a", Outcome("A", "2", features={"ACLs": PASSED}))
    both = {"topics": PASSED, "ACLs": PASSED}
    assert again.outcomes["a"] == Outcome("A", "2", features=both, hit={"topics": 2}, kills=4)
    some = Kept(KILLS, is_resumed=False, is_partial=True, folder=tmp_path)
    some.keep("c", Outcome("C"))
    assert Kept(KILLS, is_resumed=True, folder=tmp_path).outcomes == again.outcomes
    anew = Kept(KILLS, is_resumed=False, folder=tmp_path)
    anew.keep("b", Outcome("B"))
    assert Kept(KILLS, is_resumed=True, folder=tmp_path).outcomes.keys() == {"b"}


class Moody(Scripted):
    """Fails as a client without retries does."""

    def create_topic(self, topic: str, partitions: int, configs: Mapping[str, str]) -> None:
        raise ClientFailed("create_topic: refused")


def test_only_a_failure_that_is_the_clients_own_is_tried_again(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Allowed("scripted", "topics", "ClientFailed: create_topic: refused", "it never retries")
    monkeypatch.setattr("tests.conformance.allowed.ALLOWED", (known,))
    outcome = outcome_of(Moody, Nowhere(), scripted, ["topics", "configs"], is_killing=True)
    assert outcome.again == {"topics": ["it never retries"] * (TRIES_MAX - 1)}
    assert outcome.features == {"topics": FAILED, "configs": FAILED}
    calm = outcome_of(Moody, Nowhere(), scripted, ["topics"])
    scripted.close()
    assert calm.again == {}


class Repeating(Scripted):
    """Its group tells the first two records again before it goes on."""

    def taken(self, member: str, count: int) -> list[Record]:
        given = [Record(b"%d" % at, offset=at) for at in (0, 1, 0, 1, 2, 3)]
        handed_out: int = getattr(self, "handed_out", 0)
        self.handed_out = handed_out + count
        return given[handed_out : self.handed_out]


@pytest.mark.parametrize(("is_killing", "offsets"), [(True, [2, 3]), (False, [0, 1])])
def test_what_comes_again_is_passed_over_only_while_brokers_die(
    is_killing: bool, offsets: list[int]
) -> None:
    client = Repeating("127.0.0.1:1")
    world = World(client, client, Nowhere().secured, is_killing=is_killing)
    assert [one.offset for one in world.taken("m", 2)] == [0, 1]
    assert [one.offset for one in world.taken("m", 2)] == offsets
    assert [one.offset for one in world.taken("m", 4)] == ([] if is_killing else [2, 3])
    client.close()


def test_what_comes_twice_at_once_is_passed_over_too() -> None:
    client = Repeating("127.0.0.1:1")
    world = World(client, client, Nowhere().secured, is_killing=True)
    assert [one.offset for one in world.taken("m", 4)] == [0, 1, 2, 3]
    client.close()


def test_ours_and_apaches_stand_side_by_side_and_a_failure_says_where() -> None:
    clients = Pair(
        Outcome("it", "1", features={"topics": PASSED, "ACLs": FAILED}, reasons={"ACLs": "no"}),
        Outcome("it", "1", features={"topics": FAILED, "ACLs": FAILED}, reasons={"topics": "gone"}),
    )
    tools = Pair(
        Outcome("tools", "1", features={"kafka-topics": PASSED}),
        Outcome("tools", not_run="java is not on PATH"),
    )
    shown = beside.markdown("4.3.0", [clients, tools])
    assert "Apache Kafka 4.3.0" in shown
    assert "| topics | ✓ ✗ |" in shown
    assert "| ACLs | ✗ ✗ |" in shown
    assert "| kafka-topics | ✓ ? |" in shown
    assert "- it, topics, failed on Kafka alone: gone" in shown
    assert "- it, ACLs, failed on both: no" in shown
    assert "- tools NOT RUN on Kafka: java is not on PATH" in shown
    assert list(beside.plain([clients, tools]))[-1] == "failed on ours: 1, on Apache Kafka: 2"
    document = rewritten("", ONE, markdown(Run(), [clients.ours], tools.ours))
    assert rewritten(document, APACHE, shown).index(f"## {APACHE}") > document.index(f"## {ONE}")
