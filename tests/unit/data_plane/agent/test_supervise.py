"""A broker's log and environment: bounded, and without secrets."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from data_plane.agent import processes, supervise
from data_plane.agent.storage import BrokerStorage, Digests
from data_plane.agent.supervise import PACKAGE_ROOT, bound_log, environment, last_log_line


def storage(tmp_path: Path, text: str) -> BrokerStorage:
    broker = BrokerStorage(tmp_path, 0)
    broker.create()
    broker.log.write_text(text)
    return broker


def test_the_last_line_is_the_last_that_says_something(tmp_path: Path) -> None:
    assert last_log_line(storage(tmp_path, "first\nthe reason \n\n  \n")) == "the reason"
    assert last_log_line(storage(tmp_path, "")) == ""
    assert last_log_line(BrokerStorage(tmp_path / "none", 0)) == ""


def test_what_looks_like_a_secret_is_left_out(tmp_path: Path) -> None:
    token = "Zm9v" * 20
    said = last_log_line(storage(tmp_path, f"cannot parse {token} in line 3"))
    assert said == "cannot parse [...] in line 3"
    pem = last_log_line(storage(tmp_path, "bad -----BEGIN PRIVATE KEY----- abc"))
    assert pem == "bad [...]"


def test_a_long_line_is_cut(tmp_path: Path) -> None:
    assert len(last_log_line(storage(tmp_path, "word " * 10_000))) == 300


def test_a_grown_log_is_moved_and_its_writer_goes_on(tmp_path: Path) -> None:
    broker = storage(tmp_path, "")
    with broker.log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        bound_log(broker, 100)
        assert broker.log.stat().st_size == 100
        writer.write(b"y")
        bound_log(broker, 100)
        assert broker.log.stat().st_size == 0
        writer.write(b"new")
    assert broker.log.read_bytes() == b"new"
    assert (tmp_path / "broker.log.1").read_bytes() == b"x" * 100 + b"y"


def test_a_broker_gets_no_settings_of_others() -> None:
    given = environment(
        {"PATH": "/bin", "SECRET_KEY": "k", "OTTLA_AGENT_TOKEN_FILE": "t", "PYTHONPATH": "/more"}
    )
    assert given["PATH"] == "/bin"
    assert given["PYTHONPATH"] == f"{PACKAGE_ROOT}:/more"
    assert not {"SECRET_KEY", "OTTLA_AGENT_TOKEN_FILE"} & given.keys()
    assert environment({})["PYTHONPATH"] == str(PACKAGE_ROOT)


def test_a_child_without_a_command_line_yet_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until exec is through the kernel shows an empty command line: no reason for another start."""
    monkeypatch.setattr(processes, "command_line", lambda pid: [])

    async def scenario() -> None:
        argv = [sys.executable, "-c", "import time; time.sleep(60)", "marker"]
        process = supervise.start(storage(tmp_path, ""), argv, "marker", Digests(), lambda: None)
        assert process.is_alive()
        assert await process.stop(5.0)
        assert not process.is_alive()

    asyncio.run(scenario())


def test_a_death_wakes_the_watcher(tmp_path: Path) -> None:
    async def scenario() -> None:
        died = asyncio.Event()
        argv = [sys.executable, "-c", "import time; time.sleep(60)"]
        process = supervise.start(storage(tmp_path, ""), argv, "-c", Digests(), died.set)
        processes.send(process.identity, signal.SIGKILL)
        await asyncio.wait_for(died.wait(), 10)
        assert not process.is_alive()
        assert process.exit_status == -signal.SIGKILL

    asyncio.run(scenario())


def test_a_program_that_ends_at_once_tells_its_status(tmp_path: Path) -> None:
    """The kernel knows it as ended before anyone could look; its status and words must not go."""

    async def scenario() -> None:
        place = storage(tmp_path, "")
        died = asyncio.Event()
        process = supervise.start(place, ["/bin/false"], "marker", Digests(), died.set)
        await asyncio.wait_for(died.wait(), 10)
        assert not process.is_alive()
        assert process.exit_status == 1

    asyncio.run(scenario())


def test_an_ended_child_is_known_by_its_start() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert processes.start_mark(pid) is None
    assert processes.start_mark_of_child(pid)
    assert processes.reap(pid) == 0
