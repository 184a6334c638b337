"""A real worker and a real beat: wake-up calls, lost ones, a killed worker, Redis gone and back."""

import base64
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery

from control_plane.domain.clock import SystemClock
from control_plane.domain.states import LIVE, OperationState
from control_plane.models import Operation
from control_plane.queue import RUN_OPERATION
from tests.conftest import ROOT, wait_for
from tests.factories.control_plane import World

KEY = b"k" * 32
START_S_MAX = 90  # a worker, and beat, may start beside other tests


@pytest.fixture
def live_world(database_url: str) -> Iterator[World]:
    """A world on the machine's own clock, as the worker's is."""
    world = World.on(database_url)
    world.clock = SystemClock()
    yield world
    world.close()


class Processes:
    """Celery programs on this test's database and Redis."""

    def __init__(self, database_url: str, redis_url: str, folder: Path) -> None:
        self._folder, self._started = folder, list[subprocess.Popen[bytes]]()
        self._environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": base64.b64encode(KEY).decode(),
        }

    def start(self, role: str, *options: str) -> subprocess.Popen[bytes]:
        ready = self._folder / f"{role}-{len(self._started)}.ready"
        with (self._folder / f"{role}.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "celery",
                    "-A",
                    "control_plane.tasks:celery",
                    role,
                    *options,
                ],
                env={**self._environment, "READY_FILE": str(ready)},
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self._started.append(process)
        wait_for(ready.exists, role)
        return process

    def worker(self) -> subprocess.Popen[bytes]:
        return self.start("worker", "--pool", "threads", "--concurrency", "4")

    def beat(self) -> subprocess.Popen[bytes]:
        return self.start("beat", "--schedule", str(self._folder / "beat"))

    def stop(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()


@pytest.fixture
def processes(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Processes]:
    programs = Processes(database_url, redis_url, tmp_path)
    yield programs
    programs.stop()


@pytest.fixture
def sender(redis_url: str) -> Iterator[Celery]:
    with Celery("sender", broker=redis_url) as app:
        app.conf.task_default_queue = "ottla"
        yield app


def nudge(sender: Celery, operation_id: uuid.UUID) -> None:
    sender.send_task(RUN_OPERATION, args=[str(operation_id)], ignore_result=True)


def ended(world: World, operation: Operation) -> bool:
    """Report as an agent does, and see whether the operation has ended."""
    world.report()
    return world.operation(operation.id).state not in LIVE


def new_operation(world: World) -> Operation:
    world.register_node()
    _, operation = world.add_addon(world.add_app(world.add_account()))
    return operation


def test_a_nudge_is_all_it_takes(live_world: World, processes: Processes, sender: Celery) -> None:
    """Without beat: the call at creation and the call at the report bring it to the end."""
    operation = new_operation(live_world)
    processes.worker()
    began = time.monotonic()
    nudge(sender, operation.id)
    wait_for(
        lambda: live_world.operation(operation.id).step == "await_ready", "await_ready", START_S_MAX
    )
    for woken in live_world.report():
        nudge(sender, woken)
    wait_for(lambda: live_world.operation(operation.id).state not in LIVE, "the end")
    assert live_world.operation(operation.id).state == OperationState.SUCCEEDED
    print(f"provisioned in {time.monotonic() - began:.2f} s")


def test_the_sweep_finds_what_was_never_sent(live_world: World, processes: Processes) -> None:
    operation = new_operation(live_world)
    processes.worker()
    processes.beat()
    wait_for(lambda: ended(live_world, operation), "the operation's end")
    assert live_world.operation(operation.id).state == OperationState.SUCCEEDED


def test_a_killed_worker_is_followed_by_another(live_world: World, processes: Processes) -> None:
    """SIGKILL in the middle: nothing is lost with it, and no hour of visibility is waited for."""
    operation = new_operation(live_world)
    first = processes.worker()
    processes.beat()
    wait_for(
        lambda: live_world.operation(operation.id).step == "await_ready",
        "the middle of it",
        START_S_MAX,
    )
    first.send_signal(signal.SIGKILL)
    first.wait()
    processes.worker()
    wait_for(lambda: ended(live_world, operation), "the operation's end", 60)
    assert live_world.operation(operation.id).state == OperationState.SUCCEEDED


def test_an_emptied_redis_loses_nothing(
    live_world: World, processes: Processes, redis_url: str
) -> None:
    """FLUSHALL again and again (C4): the truth is in Postgres."""
    operation = new_operation(live_world)
    processes.worker()
    processes.beat()

    def flushed_and_ended() -> bool:
        with contextlib.closing(redis.Redis.from_url(redis_url)) as client:
            client.flushall()
        time.sleep(0.3)
        return ended(live_world, operation)

    wait_for(flushed_and_ended, "the operation's end", 60)
    assert live_world.operation(operation.id).state == OperationState.SUCCEEDED
