"""CI's share of `make chaos` and `make soak`: ten kills under load, a little of each other part."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import controller_kills, crew, soak, sums
from tests.chaos.__main__ import exit_code
from tests.chaos.figures import Figure
from tests.chaos.live import Options, recovery_figure
from tests.chaos.parts import run_part
from tests.chaos.recorder import Recorder
from tests.chaos.rig import Rig
from tests.chaos.run import Plan, run
from tests.chaos.workloads.task import STANDSTILL, Order
from tests.checker.gaps import Recoveries
from tests.checker.lines import read_lines

pytestmark = pytest.mark.timeout(1_200)  # A busy machine; nothing below waits for a time to pass.


def test_ten_kills_of_three_brokers_lose_nothing(tmp_path: Path) -> None:
    """Beside a group, transactions, and a topic that is always compacted."""
    plan = Plan(
        faults=["kill"],
        count=10,
        seed=4,
        apart_seconds=(0.2, 0.8),
        fault_seconds_max=0.5,
        warm_up_seconds=1.0,
        partitions=3,
        rate=200.0,
        compacted=1,
        out=tmp_path / "report",
    )
    with Rig(3, nodes=3, static={"log.cleaner.backoff.ms": "500"}) as rig:
        rig.start()
        verdict = run(rig, plan)
    report = (tmp_path / "report" / "report.md").read_text()
    assert verdict.valid is True, report
    assert verdict.faults == {"kill": 10}
    content = json.loads((tmp_path / "report" / "result.json").read_text())
    assert content["n"]["send"]["ok"] >= 1_000
    assert content["n"]["replica"]["ok"] == 3 * sum(plan.topics.values())


def test_power_losses_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    plan = Plan(
        faults=["power-loss"],
        count=3,
        seed=5,
        apart_seconds=(0.5, 1.5),
        fault_seconds_max=0.5,
        warm_up_seconds=1.0,
        partitions=3,
        rate=200.0,
        out=tmp_path / "report",
    )
    with Rig(has_journal=True) as rig:
        rig.start()
        verdict = run(rig, plan)
    assert verdict.valid is True, (tmp_path / "report" / "report.md").read_text()
    assert verdict.faults == {"power-loss": 3}


def test_cut_off_brokers_lose_nothing(tmp_path: Path) -> None:
    """One fault of a random shape, where network namespaces may be made; elsewhere it says so.

    How soon partitions go on is not judged here.
    """
    options = Options(faults=1, seed=6, fast=True, ok_sends_min=200, out=tmp_path)
    found, _ = run_part("cuts", options)
    assert found[0].verdict in ("met", "NOT RUN"), found


def test_metadata_changes_under_controller_kills() -> None:
    """Two kills; how long a failover takes is not judged here."""
    found, _ = run_part("controllers", Options(controller_kills=2, seed=7))
    changes, shown, images = (figure for figure in found if figure.id == "D12")
    assert (changes.verdict, images.verdict) == ("met", "met"), found
    assert shown.n == changes.n > 2


@pytest.mark.parametrize(
    ("seconds", "verdict"), [([0.1, 5.0], "met"), ([0.1, 5.1], "MISSED"), ([], "UNKNOWN")]
)
def test_a_change_is_to_be_shown_within_five_seconds(seconds: list[float], verdict: str) -> None:
    assert controller_kills.shown(seconds).verdict == verdict


def test_a_soak_of_seconds() -> None:
    """Memory, files and lag are judged over hours only; what is written must be there."""
    found = {
        figure.what: figure
        for figure in soak.figures(
            soak.Soak(minutes=0.1, faults=0, rate=200.0, warm_up_minutes=0, sample_seconds=0.5)
        )
    }
    assert found["records of the load"].verdict == "met", found
    assert found["records of the load"].n > 100
    assert found["growth of resident memory"].verdict == "UNKNOWN"
    assert found["growth of open files"].verdict == "UNKNOWN"


def test_the_slope_of_memory_is_of_one_life() -> None:
    """A broker that was killed begins anew, which is no growth."""
    first = [soak.Sample(60.0 * at, 1, at * soak.MB, 9) for at in range(30)]
    second = [soak.Sample(60.0 * (30 + at), 2, 7 * soak.MB, 9) for at in range(10)]
    life = soak.longest_life([*first, *second])
    assert life == first
    assert soak.slope_mb(life) == pytest.approx(60.0)
    assert soak.slope_mb(second) == 0.0


@pytest.mark.parametrize("name", ["torn", "flips"])
def test_damage_at_rest(name: str) -> None:
    found, _ = run_part(name, Options(cuts=150, flips=300))
    assert exit_code(found) == 0, found
    assert all(figure.n > 0 for figure in found)


def test_bits_that_flip_below_running_brokers(tmp_path: Path) -> None:
    found, _ = run_part("rot", Options(rounds=2, seed=8, rate=60.0, fast=True, out=tmp_path))
    assert (found[0].verdict, found[0].n) == ("met", 2), found


def test_a_client_whose_library_does_not_close_is_killed_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take the verdict of the whole run with it; what it did is in its history."""
    monkeypatch.setattr(crew, "CLOSING_SECONDS_MAX", 0.2)
    path = tmp_path / "nemesis.jsonl"
    team = crew.Crew(tmp_path, Recorder(path, "nemesis"))
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as told:
        told.readline()
    order = Order("tail.7", 7, "tail", "confluent-kafka", "", "", {}, 1)
    team._posts["tail"] = (order, process)
    team.finish()
    assert process.returncode == -signal.SIGKILL
    lines = list(read_lines(tmp_path))
    assert [one.get("name") or one.get("who") for one in lines] == [STANDSTILL, "tail.7"]


def test_a_partition_that_still_waits_when_the_next_fault_begins_counts() -> None:
    """Else the worst would never be told: it is what the next fault hides."""
    quick = recovery_figure("D2", "next record", Recoveries([0.1] * 50, [1.0]))
    assert (quick.n, quick.verdict) == (50, "UNKNOWN")
    slow = recovery_figure("D2", "next record", Recoveries([0.1] * 50, [22.0]))
    assert (slow.n, slow.verdict) == (51, "MISSED")
    assert recovery_figure("D2", "next record", Recoveries([], [])).verdict == "UNKNOWN"


def test_partitions_move_between_killed_brokers_and_lose_nothing(tmp_path: Path) -> None:
    found, _ = run_part("moves", Options(faults=3, seed=9, rate=60.0, fast=True, out=tmp_path))
    assert exit_code(found) == 0, found
    assert found[0].n == 3


def test_a_full_disk() -> None:
    """Runs where a file system may be mounted; elsewhere it says so."""
    found, _ = run_part("disks", Options(fast=True))
    assert exit_code(found) == 0, found
    assert found[0].verdict == "NOT RUN" or len(found) == 3


@pytest.mark.parametrize(
    "name", ["failover", "rolling", "rot", "controllers", "replicas", "catch-up"]
)
def test_what_needs_three_brokers_says_so(name: str) -> None:
    (figure,), _ = run_part(name, Options(brokers=1))
    assert figure.verdict == "NOT RUN"
    assert "three brokers" in figure.measured


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [(["met", "NOT RUN"], 0), (["met", "MISSED", "UNKNOWN"], 1), (["UNKNOWN"], 2)],
)
def test_exit_code(verdicts: list[str], code: int) -> None:
    assert exit_code([Figure("", "", 1, "", "", verdict) for verdict in verdicts]) == code


def test_runs_are_summed_by_part(tmp_path: Path) -> None:
    for seed, doubled in ((3, 0), (4, 2)):
        (tmp_path / str(seed) / "kills").mkdir(parents=True)
        anomalies = {"duplicate": {"count": doubled}} if doubled else {}
        result = {
            "seed": seed,
            "n": {"send": {"ok": 500}},
            "faults_done": {"kill": 150},
            "anomalies": anomalies,
            "valid": not doubled,
        }
        (tmp_path / str(seed) / "kills" / "result.json").write_text(json.dumps(result))
    one = sums.summed((tmp_path / "3").rglob("result.json"))["kills"]
    assert next(one.figures("kills"))[1:] == (
        *("1 runs, 500 acked", 150, "0 anomalies"),
        *("< 2.0 % each", "met"),
    )
    both = sums.summed(tmp_path.rglob("result.json"))["kills"]
    assert both.seeds == [3, 4]
    assert next(both.figures("kills")).measured == "2 duplicate"
    assert sums.main([str(tmp_path)]) == 1


def test_a_recorder_writes_each_line_at_once(tmp_path: Path) -> None:
    """What was begun is in the file before the operation is: kill -9 cannot take it."""
    record = Recorder(tmp_path / "one.jsonl", "one")
    number = record.invoke("send", tp="plain-0", v=1)
    (line,) = read_lines(tmp_path)
    assert (line["p"], line["n"], line["type"]) == ("one", number, "invoke")
    record.complete(number, "send", "ok", o=7)
    assert [x["type"] for x in read_lines(tmp_path)] == ["invoke", "ok"]
