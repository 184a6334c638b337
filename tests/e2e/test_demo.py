"""The main job as a newcomer runs it: `ottla demo`, whole, on the real data set."""

import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest

from control_plane.cli.demo.flights import RECORD_COUNT
from tests.conftest import wait_for
from tests.e2e.service import OTTLA, processes_of

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A TMPDIR of this test's own, so that what the demo leaves there can be told."""
    folder = Path(tempfile.mkdtemp(prefix="ottla-demo-test-"))
    folder.chmod(0o711)
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_every_record_comes_out_once_and_nothing_is_left(temporary: Path) -> None:
    done = subprocess.run(
        [*OTTLA, "demo", "--json"], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["records_in"], figures["records_out"]) == (RECORD_COUNT, RECORD_COUNT)
    assert (figures["lag"], figures["differences"]) == (0, [])
    assert sum(figures["partitions_by_member"]) == 8
    assert all(figures["commits_while_writing"])
    assert figures["idle_memory_mib"].keys() >= {"api", "worker", "broker"}
    assert figures["cost_micros"] > 0
    assert list(temporary.iterdir()) == []
    assert processes_of(temporary) == []


def test_an_interrupted_demo_stops_its_service(temporary: Path) -> None:
    demo = subprocess.Popen(
        [*OTTLA, "demo"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=os.getcwd()
    )

    def has_a_broker() -> bool:
        assert demo.poll() is None
        return any("data_plane.server.main" in p.info["cmdline"] for p in processes_of(temporary))

    try:
        wait_for(has_a_broker, "the broker", 60)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 130
        wait_for(lambda: processes_of(temporary) == [], "the end of every process", 30)
    finally:
        for left in processes_of(temporary):
            left.kill()
        if demo.poll() is None:
            psutil.Process(demo.pid).kill()
            demo.wait()
