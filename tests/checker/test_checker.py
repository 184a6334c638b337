"""The checker finds every planted defect and accuses no valid history."""

import json
from pathlib import Path

import pytest

from tests.checker.__main__ import main
from tests.checker.allowed import count_allowed
from tests.checker.defects import DEFECTS, plant
from tests.checker.gaps import recoveries
from tests.checker.history import History
from tests.checker.invariants import ALL, duplicate
from tests.checker.invariants.groups import two_owners
from tests.checker.lines import Line, read_lines, write_lines
from tests.checker.outcomes import of_commit, of_send
from tests.checker.proof import SMALL, false_alarms, find_planted
from tests.checker.report import write_report
from tests.checker.verdict import Demands, judge
from tests.checker.views import Views
from tests.checker.worlds import valid_history

HISTORIES = 60  # of the thousand that `python -m tests.checker prove` judges


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_is_found(name: str) -> None:
    is_found, found = find_planted(name, seed=1)
    assert is_found, f"{name}: only {found}"


def test_every_invariant_has_a_planted_defect() -> None:
    assert sorted(ALL) == list(range(1, 20))
    assert {number for number, _, _ in DEFECTS.values()} == set(ALL)


def test_valid_histories_raise_no_alarm() -> None:
    assert false_alarms(range(1, HISTORIES + 1)) == []


def judged(lines: list[Line], demands: Demands = SMALL) -> tuple[object, list[str]]:
    verdict = judge(History.of(lines), demands)
    return verdict.valid, verdict.unknown_because


@pytest.mark.parametrize(
    ("protocol", "given_up_at", "is_accused"),
    [
        ("consumer", 15, False),
        ("consumer", 25, True),  # after the other had it
        ("consumer", 5, True),  # of a time before
        ("consumer", None, True),
        ("classic", 15, True),
    ],
)
def test_owners_in_turn_are_one_owner_under_the_consumer_protocol(
    protocol: str, given_up_at: int | None, is_accused: bool
) -> None:
    def told(process: str, t: int, **more: object) -> Line:
        common = {"op": "rebalance", "type": "ok", "group": "g", "positions": {}}
        return {"p": process, "t": t, **common, **more}

    given = {"event": "assigned", "generation": 3, "positions": {"a-0": 0}}
    meta = {"groups": {"g": {"protocol": protocol}}}
    lines: list[Line] = [
        {"p": "nemesis", "t": 1, "op": "run", "type": "info", "meta": meta},
        told("first", 10, member="m1", **given),
        told("second", 20, member="m2", **given),
    ]
    if given_up_at is not None:
        lines.append(told("first", given_up_at, event="revoked", revoked=["a-0"]))
    found = list(two_owners(Views(History.of(sorted(lines, key=lambda line: line["t"])))))
    assert [one.type for one in found] == ["group-two-owners"] * is_accused


def test_no_load_is_no_pass() -> None:
    valid, reasons = judged(valid_history(3), Demands())
    assert valid == "unknown"
    assert any("acknowledged sends" in reason for reason in reasons)


def test_no_faults_are_no_pass() -> None:
    lines = [x for x in valid_history(3) if x["op"] != "nemesis"]
    valid, reasons = judged(lines)
    assert valid == "unknown"
    assert any("0 faults done" in reason for reason in reasons)


def test_a_library_that_gave_up_is_no_pass() -> None:
    """The other one's load would hide it."""
    silent: Line = {"p": "silent-1", "t": 1, "op": "client", "type": "info", "library": "silent"}
    lines = [{**silent, "version": "1", "role": "produce"}, *valid_history(3)]
    valid, reasons = judged(lines)
    assert (valid, reasons) == ("unknown", ["only 0 sends of silent's producers acknowledged"])


def test_no_final_read_is_no_pass() -> None:
    lines = [{**x, "is_final": False} for x in valid_history(3)]
    valid, reasons = judged(lines)
    assert valid == "unknown"
    assert any("no final read" in reason for reason in reasons)


def test_one_library_is_no_final_read() -> None:
    lines = valid_history(3)
    for line in lines:
        if line["op"] == "client":
            line["library"] = "the same"
    valid, reasons = judged(lines)
    assert valid == "unknown"
    assert any("2 libraries" in reason for reason in reasons)


def test_an_empty_history_is_unknown() -> None:
    assert judged([])[0] == "unknown"


@pytest.mark.parametrize(("spoil", "exit_code"), [(None, 0), ("lost write", 1), ("no sends", 2)])
def test_exit_codes_and_report(tmp_path: Path, spoil: str | None, exit_code: int) -> None:
    """Through files, as a run leaves them: result.json, one page, a picture of what is bad."""
    lines = valid_history(1)
    if spoil == "no sends":
        lines = [x for x in lines if x["op"] in ("nemesis", "phase", "run")]
    elif spoil is not None:
        import random

        lines = plant(spoil, lines, random.Random(1))
    write_lines(tmp_path / "all.jsonl", lines)
    demands = SMALL if spoil is None else Demands()
    verdict = judge(History.of(read_lines(tmp_path)), demands)
    content = write_report(verdict, tmp_path / "report")
    assert verdict.exit_code == exit_code
    assert json.loads((tmp_path / "report" / "result.json").read_text()) == content
    assert (tmp_path / "report" / "report.md").read_text().startswith("# History: ")
    pictures = list((tmp_path / "report").glob("*.svg"))
    assert bool(pictures) == (exit_code == 1)
    for picture in pictures:
        assert picture.read_text().startswith("<svg ")
    if exit_code == 1:
        found = content["anomalies"]["lost-write"]
        assert found["count"] == len(found["witnesses"]) == 1
        assert main(["check", str(tmp_path), "--out", str(tmp_path / "again")]) == 1


def test_witnesses_are_the_smallest_and_few() -> None:
    lines = valid_history(1)
    for line in lines:
        if line["op"] == "poll":
            line["reads"] = {p: c for p, c in line["reads"].items() if not p.startswith("plain")}
    found = judge(History.of(lines), SMALL).anomalies["unseen"]
    assert found.count > 32
    ranks = [one.rank for one in found.witnesses]
    assert len(ranks) == 32
    assert ranks == sorted(ranks)


def test_a_line_cut_by_a_kill_leaves_its_operation_unknown(tmp_path: Path) -> None:
    lines = valid_history(2)
    last_ok = max(i for i, x in enumerate(lines) if x["op"] == "send" and x["type"] == "ok")
    write_lines(tmp_path / "cut.jsonl", lines[: last_ok + 1])
    whole = (tmp_path / "cut.jsonl").read_bytes()
    (tmp_path / "cut.jsonl").write_bytes(whole[:-5])
    history = History.of(read_lines(tmp_path))
    n = lines[last_ok]["n"]
    assert (lines[last_ok]["p"], n) in history.begun


@pytest.mark.parametrize(
    ("error", "send", "commit"),
    [
        (None, "ok", "ok"),
        ("NOT_LEADER_OR_FOLLOWER", "info", "info"),
        ("REQUEST_TIMED_OUT", "info", "info"),
        ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", "info", "info"),
        ("NOT_ENOUGH_REPLICAS", "fail", "info"),
        ("MESSAGE_TOO_LARGE", "fail", "info"),
        ("ILLEGAL_GENERATION", "info", "info"),
        ("GROUP_AUTHORIZATION_FAILED", "fail", "fail"),
    ],
)
def test_outcome_of_an_error(error: str | None, send: str, commit: str) -> None:
    assert of_send(error) == send
    assert of_commit(error) == commit


ONCE_AND_AGAIN = [[0, 2, 5], [1, 77, 77]]  # offsets, values


@pytest.mark.parametrize(
    ("disks", "is_legal"),
    [
        ([[(0, 9, 0), (5, 9, 1)]], True),
        ([[(0, 9, 0), (5, 9, 1)], [(0, 9, 0), (5, 9, 1)]], True),
        ([[(0, 9, 0)]], False),
        ([[(0, 9, 0), (1, 8, 0), (5, 9, 0)]], False),
        ([[(0, 9, 1), (5, 9, 0)]], False),
        ([[(0, 9, 0), (5, 8, 1)]], False),
        ([[(0, 9, 0), (5, 9, 1)], [(0, 9, 0)]], False),
        ([[(0, -1, -1)]], False),
        ([[]], False),
    ],
)
def test_only_a_new_epoch_of_its_producer_excuses_a_second_copy(
    disks: list[list[tuple[int, int, int]]], is_legal: bool
) -> None:
    replicas: list[Line] = [
        {"broker": broker, "reads": {"plain-0": ONCE_AND_AGAIN}, "producers": {"plain-0": runs}}
        for broker, runs in enumerate(disks)
    ]
    lines = [
        {"p": "disks", "t": t, "op": "replica", "type": "ok", **one}
        for t, one in enumerate(replicas)
    ]
    views = Views(History.of(lines))
    found = list(duplicate.check(views))
    assert len(found) == (0 if is_legal else len(disks))
    assert count_allowed(views)["sent-anew"] == int(is_legal)


def test_recovery_is_counted_from_the_end_of_a_fault() -> None:
    """Of the topic asked for, and of the partitions that a fault names."""
    lines: list[Line] = []
    for process, partition, times in (("a", "plain-0", (10, 90)), ("b", "plain-1", (10, 70))):
        for number, at in enumerate(times, 1):
            sent: Line = {"p": process, "n": number, "op": "send", "tp": partition, "k": 0}
            lines.append({**sent, "t": at - 1, "type": "invoke", "v": at * len(lines), "ts": 1})
            lines.append({**sent, "t": at, "type": "ok", "o": number - 1})
    fault: Line = {"p": "nemesis", "op": "nemesis", "fault": "cut"}
    for number, named in enumerate(([], ["plain-1"]), 1):
        lines.append({**fault, "n": number, "t": 20, "type": "invoke"})
        lines.append({**fault, "n": number, "t": 60, "type": "ok", "partitions": named})
    views = Views(History.of(sorted(lines, key=lambda line: line["t"])))
    assert recoveries(views, "plain") == ([30e-9, 10e-9, 10e-9], [])
    assert recoveries(views, "other") == ([], [])
    fault |= {"n": 3, "fault": "loss"}
    lines += [{**fault, "t": 65, "type": "invoke"}, {**fault, "t": 66, "type": "ok"}]
    views = Views(History.of(sorted(lines, key=lambda line: line["t"])))
    assert recoveries(views, "plain") == ([24e-9, 4e-9], [5e-9] * 3)
