"""`pip install ottla` and `ottla up` are enough: no checkout, no make, another folder."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from control_plane.local.state_file import read_state
from tests.conftest import ROOT, wait_for
from tests.e2e.service import processes_of

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="ottla-wheel-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def run(*words: str | Path, **more: object) -> None:
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        **more,  # type: ignore[call-overload]  # options are passed through
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_alone_runs_the_service(folder: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder / "dist", ROOT)
    (wheel,) = (folder / "dist").glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    # The wheel's own metadata decides what is installed; the lock only holds the versions still.
    run(
        *(sys.executable, "-m", "uv", "pip", "install", "--python", folder / "venv/bin/python"),
        *("--constraints", ROOT / "requirements.lock", wheel),
    )
    outside = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    data = folder / "data"
    with (folder / "up.log").open("wb") as log:
        up = subprocess.Popen(
            [folder / "venv/bin/ottla", "up", "--data-dir", data, "--port", "0"],
            cwd=folder,
            env=outside,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:

        def is_ready() -> bool:
            assert up.poll() is None, (folder / "up.log").read_text()
            state = read_state(data / "run" / "state.json")
            return state is not None and state.phase == "ready"

        wait_for(is_ready, "the service", 90)
        state = read_state(data / "run" / "state.json")
        assert state is not None
        assert httpx.get(f"{state.api_url}/healthz").status_code == 200
        sign_in = httpx.get(state.dashboard_url, follow_redirects=True)
        assert sign_in.status_code == 200
        assert "Ottla" in sign_in.text
    finally:
        up.send_signal(signal.SIGTERM)
        assert up.wait(60) == 0
    assert processes_of(data) == []
