"""`make chaos` shows where it stands, and Ctrl-C has what was done judged, with nothing left."""

import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import leftovers
from tests.chaos.figures import Figure
from tests.chaos.live import Options
from tests.chaos.parts import PARTS, run_part
from tests.chaos.tally import Tally
from tests.integration.data_plane.broker_process import ROOT
from tests.stopping import Stopping

pytestmark = pytest.mark.timeout(1_200)  # A busy machine; nothing below waits for a time to pass.


class Terminal:
    """A `make chaos` whose stderr is a terminal; what it shows is read as it comes."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos", *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=slave,
            text=True,
        )
        os.close(slave)
        self.shown = ""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # The other end is closed.
            while piece := os.read(self._master, 4096):
                with self._changed:
                    self.shown += piece.decode(errors="replace")
                    self._changed.notify_all()

    def await_shown(self, pattern: str, seconds_max: float = 300) -> None:
        with self._changed:
            found = self._changed.wait_for(lambda: re.search(pattern, self.shown), seconds_max)
        assert found, self.shown[-2_000:]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._reader.join()
        os.close(self._master)


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    made = Terminal(arguments)
    try:
        yield made
    finally:
        made.close()


def left_of(pid: int) -> list[str]:
    """Folders and processes that carry the name of a run."""
    name = f"{leftovers.PREFIX}{pid}-"
    left = [path.name for path in Path(tempfile.gettempdir()).glob(f"{name}*")]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if name in path.read_bytes().decode(errors="replace"):
                left.append(path.parent.name)
    return left


def test_a_run_shows_its_faults_and_is_judged_by_what_it_did(tmp_path: Path) -> None:
    """Ctrl-C in the middle: read back, judged UNKNOWN with its N; the rest is named."""
    given = ("kills", "pauses", "--kills", "500", "--fast", "--seed", "3", "--out", str(tmp_path))
    with terminal(*given) as run:
        run.await_shown(r"\rkills \[-+\] 0/500 faults, .* min; warm-up, [\d,]+ acknowledged")
        run.await_shown(r" [2-9]/500 faults, .*/min, .* min left; faults, [\d,]+ acknowledged")
        run.process.send_signal(signal.SIGINT)
        run.await_shown("stopping: what was done is read back and judged")
        run.await_shown("reading back, ")
        found, _ = run.process.communicate(timeout=600)
        assert run.process.returncode == 2, found
        assert not left_of(run.process.pid)
    line = re.search(r"D1 .*: [\d,]+ acked +(\d+) +0 lost, 0 doubled, 0 other .*UNKNOWN", found)
    assert line is not None, found
    assert 2 <= int(line[1]) < 500
    assert re.search(rf"  {line[1]} faults done, 500 planned", found)
    assert re.search(r"kills was stopped before its end +0 +UNKNOWN", found)
    assert "not run: pauses" in found
    assert "\r" not in found, "what is found stays free of what is shown meanwhile"


def test_asked_again_a_run_ends_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    with terminal("kills", "--kills", "500", "--fast", "--out", str(tmp_path)) as run:
        run.await_shown(r" [1-9]/500 faults")
        assert left_of(run.process.pid), "its brokers are found by its name"
        run.process.send_signal(signal.SIGINT)
        run.await_shown("stopping: ")
        run.process.send_signal(signal.SIGINT)
        found, _ = run.process.communicate(timeout=300)
        assert run.process.returncode == 130
        assert "ended at once" in found
        assert not left_of(run.process.pid)


def test_a_whole_group_of_processes_that_is_asked_leaves_the_brokers_to_the_run(
    tmp_path: Path,
) -> None:
    """A terminal's Ctrl-C reaches a whole group: brokers are in groups of their own."""
    with terminal("kills", "--kills", "500", "--fast", "--out", str(tmp_path)) as run:
        run.await_shown(r" [1-9]/500 faults")
        others = [int(name) for name in left_of(run.process.pid) if name.isdigit()]
        assert others
        assert all(os.getpgid(pid) == pid for pid in others)


@pytest.mark.parametrize("name", ["torn", "flips", "disks"])
def test_parts_without_clients_heed_it_as_well(name: str) -> None:
    stopping = Stopping()
    stopping.is_asked = True
    found, _ = run_part(name, Options(cuts=150, flips=300, fast=True, stopping=stopping))
    assert found[-1].verdict in ("UNKNOWN", "NOT RUN"), found
    assert not any(figure.verdict == "met" for figure in found)


def test_a_promise_that_was_broken_before_the_stop_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = replace(Options(), stopping=Stopping())

    def part(_: Options) -> Iterator[Figure]:
        yield Figure("A1", "whole before", 9, "", "", "met")
        options.stopping.is_asked = True
        assert not options.stopping.goes_on()
        yield Figure("A2", "cut short", 3, "", "", "met")
        yield Figure("D1", "lost", 3, "1", "0", "MISSED")

    monkeypatch.setitem(PARTS, "kills", part)
    found, _ = run_part("kills", options)
    assert [one.verdict for one in found] == ["met", "UNKNOWN", "MISSED", "UNKNOWN"]


def test_acknowledgements_are_counted_as_they_come(tmp_path: Path) -> None:
    """A line that is being written counts once it is whole; no byte is read twice."""
    answer = b'{"p":"producer-a.1","t":1,"op":"send","type":"ok","n":1,"o":0}\n'
    path = tmp_path / "producer-a.1.jsonl"
    tally, plain = Tally(tmp_path), Tally(tmp_path, "producer-*.jsonl")
    assert tally.count() == 0
    path.write_bytes(b'{"op":"send","type":"invoke"}\n' + answer + answer[:-1])
    assert tally.count() == plain.count() == 1
    with path.open("ab") as file:
        file.write(b"\n" + answer)
    (tmp_path / "copier.2.jsonl").write_bytes(answer)
    assert (tally.count(), plain.count()) == (4, 3)
