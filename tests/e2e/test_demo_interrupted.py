"""A demo that is cut short leaves no service behind, however early and by whatever signal."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.e2e.service import OTTLA, processes_of


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_service_ends_with_the_demo_that_had_just_started_it(
    service_directory: Path, number: signal.Signals
) -> None:
    data = service_directory / f"demo-{number.name}"
    demo = subprocess.Popen(
        [*OTTLA, "demo", "--data-dir", data],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for(lambda: any("up" in each.info["cmdline"] for each in processes_of(data)), "up")
        demo.send_signal(number)
        _, stderr = demo.communicate(timeout=60)
        assert demo.returncode != 0
        assert "Traceback" not in stderr
        left = [each for each in processes_of(data) if each.pid != demo.pid]
        assert not left
    finally:
        for process in processes_of(data):
            process.kill()
