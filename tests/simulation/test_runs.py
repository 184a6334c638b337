"""The runners: what was done is known after a stop, and other code begins anew."""

import io
from pathlib import Path

import pytest

from tests.progress import Progress
from tests.simulation.bank import Stored
from tests.simulation.bank_run import Look, Search, code_of, find_all, look_through
from tests.simulation.cluster_world import FAULTS_MS
from tests.simulation.journal import Journal, code_in_use
from tests.simulation.planted_cluster import BANK, acknowledged_before_sync, any_two_of_three
from tests.simulation.plants import Planted, planting
from tests.simulation.runs import FAILED_FILE, run_many
from tests.simulation.shrink import HORIZON_STEP_MS, fails, family, shrink, told
from tests.simulation.worlds import CLUSTER, QUORUM

FASTEST = Planted("ack on any two of three", any_two_of_three)


def test_a_journal_knows_what_was_done_with_the_same_code(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "runs.jsonl"
    Journal(path).add({"code": "one", "seed": 1})
    with path.open("a") as file:
        file.write('{"code": "one", "seed": 2')  # cut off by a stop
    journal = Journal(path)
    journal.add({"code": "two", "seed": 3})
    assert Journal(path).of("one") == [{"code": "one", "seed": 1}]
    assert Journal(path).of("two") == [{"code": "two", "seed": 3}]


def test_each_kind_of_world_is_code_of_its_own() -> None:
    assert code_in_use(CLUSTER) != code_in_use(QUORUM)


def test_worlds_run_once_and_failed_ones_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / CLUSTER).mkdir()
    (tmp_path / CLUSTER / FAILED_FILE).write_text("5\n")
    assert run_many(CLUSTER, range(2), jobs=2, state=tmp_path) == 0
    assert "3 seeds, 0 to 5: 0 failed" in capsys.readouterr().out
    assert not (tmp_path / CLUSTER / FAILED_FILE).read_text()
    assert run_many(CLUSTER, range(2), jobs=2, state=tmp_path) == 0
    told = capsys.readouterr().out
    assert "2 of 2 worlds were run before" in told
    assert "2 seeds, 0 to 1: 0 failed" in told


def test_a_bug_is_looked_for_where_it_was_stored_and_then_from_the_first_seed() -> None:
    search = Search(FASTEST, Stored(seed=40, said="", trace="", worlds=7))
    assert search.next_seeds == [40]
    search.take(Look(FASTEST.name, "", 40, 1, bites=3, last=40))
    assert search.next_seeds == [0, 1, 2, 3]
    search.take(Look(FASTEST.name, "", 0, 4, bites=0, last=3))
    assert search.next_seeds == [4, 5, 6, 7]
    assert "MISSED" in search.told()
    search.take(Look(FASTEST.name, "", 4, 2, bites=1, seed=5, said="Violation: x", trace="t"))
    assert search.found is not None
    assert search.found.seed == 5


def test_a_bug_that_never_bit_is_told_apart() -> None:
    search = Search(FASTEST, None)
    search.take(Look(FASTEST.name, "", 0, 4, bites=0))
    assert "NEVER REACHED" in search.told()


def test_a_search_goes_on_from_its_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the journal holds of a bug is believed only while its code is the same."""
    assert find_all([FASTEST], 8, jobs=1, state=tmp_path, is_refresh=False) == 0
    first = capsys.readouterr().out
    assert "1 of 1 found" in first
    assert find_all([FASTEST], 8, jobs=1, state=tmp_path, is_refresh=False) == 0
    assert FASTEST.name not in capsys.readouterr().out.splitlines()[0]
    look = look_through(FASTEST.name, [0])
    assert look.code == code_of(FASTEST) != code_of(BANK[1])


def test_progress_says_what_is_left() -> None:
    """On a terminal the line is rewritten."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = Progress(8, stream)
    progress.step(2, "1 failed")
    assert "[######------------------] 2/8 worlds" in stream.getvalue()
    assert stream.getvalue().startswith("\r")
    assert stream.getvalue().endswith("1 failed\033[K")


def test_a_failing_world_is_shrunk_to_what_it_fails_by() -> None:
    """What was left out is not needed: the same happens without it, again and again.

    Nor is the time that was cut off: one step less, and it does not fail so any more.
    """
    with planting(Planted("ack before sync", acknowledged_before_sync)):
        shrunk = shrink(0)
        assert shrunk.said
        assert shrunk.faults_ms < FAULTS_MS
        again, blows = fails(0, shrunk.script, shrunk.left_out, shrunk.faults_ms)
        assert family(again) == family(shrunk.said)
        assert [one.name for one in blows if one.name] == [one.name for one in shrunk.needed]
        shorter_ms = shrunk.faults_ms - HORIZON_STEP_MS
        if shorter_ms >= 0:
            less, _ = fails(0, shrunk.script, shrunk.left_out, shorter_ms)
            assert family(less) != family(shrunk.said)
    assert told(0) == "seed 0 does not fail"
