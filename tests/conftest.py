"""Real services for the tests: one Postgres and one Valkey per test process, by our own launcher.

A test that asks for `database_url` gets a migrated database with nothing in it, which is emptied
again afterwards; `redis_url` is emptied before each test that asks for it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from control_plane.local.accounts import unprivileged_account
from control_plane.local.ports import pick_free
from control_plane.local.postgres import EmbeddedPostgres
from control_plane.local.processes import Program, last_lines, start, stop
from control_plane.local.valkey import EmbeddedValkey
from tests.dropped_sockets import close_what_kafka_python_drops
from tests.factories.rewind import Rewinder, Saved
from tests.schedule import FileSeconds, LongFirst

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    # A shell's background job ignores SIGINT, and would hand that down to every program tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    close_what_kafka_python_drops()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """`--dist loadfile` hands out files by tests/schedule.py; any other way is xdist's own."""
    if config.getvalue("dist") != "loadfile":
        return None
    config.pluginmanager.register(FileSeconds())
    return LongFirst(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="record the transcripts anew; read the difference"
    )


@pytest.fixture(scope="session")
def service_directory() -> Iterator[Path]:
    """A folder that Postgres's unprivileged account can traverse (pytest's own are 0700)."""
    folder = Path(tempfile.mkdtemp(prefix="ottla-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(program: Program, seconds_max: float = 30) -> Iterator[None]:
    """Start a program, wait until it is ready, stop it in the end."""
    process = start(program)
    try:
        wait_for(
            lambda: program.is_ready() or process.poll() is not None, program.name, seconds_max
        )
        assert process.poll() is None, f"{program.name} died:\n{last_lines(program.log)}"
        yield
    finally:
        stop(process, program.stop_signal, program.stop_seconds_max)


def wait_for(condition: Callable[[], bool], what: str, seconds_max: float = 30) -> None:
    """Look until it is so, resting as long as a look takes: some of them start a program."""
    began = time.monotonic()
    deadline = began + seconds_max
    while not condition():
        now = time.monotonic()
        assert now < deadline, f"{what} was not there after {seconds_max} s"
        time.sleep(max(0.02, now - began))
        began = time.monotonic()


@pytest.fixture(scope="session")
def postgres(service_directory: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(
        service_directory / "postgres",
        port=pick_free(),
        password=uuid.uuid4().hex,
        account=unprivileged_account(),
    )
    server.prepare()
    program = server.program(service_directory / "postgres.log")
    # Tests need no durability of their database, only its behaviour.
    unsafe = Program(
        name=program.name,
        argv=[*program.argv, "-c", "fsync=off", "-c", "full_page_writes=off"],
        environment=program.environment,
        directory=program.directory,
        log=program.log,
        account=program.account,
        stop_signal=program.stop_signal,
        is_ready=program.is_ready,
    )
    with running(unsafe):
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> str:
    """The name of a database on which all migrations have run."""
    name = "template_ottla"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    subprocess.run(
        [sys.executable, "-m", "migrations"],
        env={**os.environ, "DATABASE_URL": with_database(postgres.url, name)},
        cwd=ROOT,
        check=True,
        timeout=60,
    )
    return name


def migrated(postgres: EmbeddedPostgres, template: str) -> str:
    """Copy the migrated template; returns the URL of the new database."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return with_database(postgres.url, name)


@pytest.fixture(scope="session")
def empty_database(postgres: EmbeddedPostgres, migrated_template: str) -> tuple[Rewinder, Saved]:
    rewinder = Rewinder(migrated(postgres, migrated_template))
    return rewinder, rewinder.saved()


@pytest.fixture
def database_url(empty_database: tuple[Rewinder, Saved]) -> Iterator[str]:
    """The URL of a migrated database with nothing in it, this test's own for as long as it runs."""
    rewinder, nothing = empty_database
    yield rewinder.url
    rewinder.restore(nothing, ends_others=True)


@pytest.fixture(scope="session")
def valkey(service_directory: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(
        service_directory / "valkey", port=pick_free(), password=uuid.uuid4().hex
    )
    server.prepare()
    with running(server.program(service_directory / "valkey.log")):
        yield server


@pytest.fixture
def redis_url(valkey: EmbeddedValkey) -> str:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    return valkey.url


def with_database(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"
