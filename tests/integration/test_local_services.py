"""The embedded services by our launcher: start, answer, keep their data over a kill."""

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from control_plane.local.accounts import unprivileged_account
from control_plane.local.ports import pick_free
from control_plane.local.postgres import EmbeddedPostgres, PostgresUnavailable
from control_plane.local.processes import start, stop
from control_plane.local.valkey import EmbeddedValkey
from tests.conftest import running, wait_for


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="ottla-tests-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def make_postgres(folder: Path) -> EmbeddedPostgres:
    server = EmbeddedPostgres(
        folder / "postgres",
        port=pick_free(),
        password="secret" + uuid.uuid4().hex,
        account=unprivileged_account(),
    )
    server.prepare()
    return server


def test_postgres_keeps_rows_over_kill_and_restart(folder: Path) -> None:
    server = make_postgres(folder)
    process = start(server.program(folder / "log"))
    wait_for(server.is_ready, "postgres")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 41 + 1 AS answer")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    server.prepare()  # clears what the killed server left behind
    with running(server.program(folder / "log")), psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_stale_pid_file_of_a_stranger_does_not_stop_the_start(folder: Path) -> None:
    """Numbers repeat in containers: ours in the file says nothing about who has it now."""
    server = make_postgres(folder)
    (server.cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{server.cluster}\n")
    server.prepare()
    with running(server.program(folder / "log")):
        assert server.is_ready()


def test_a_cluster_of_another_major_is_refused_in_plain_words(folder: Path) -> None:
    server = make_postgres(folder)
    (server.cluster / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresUnavailable, match="made by Postgres 9"):
        server.prepare()


def test_the_password_is_not_in_any_command_line(folder: Path) -> None:
    server = make_postgres(folder)
    password = server.url.split(":")[2].split("@")[0]
    valkey = EmbeddedValkey(folder / "valkey", port=pick_free(), password=password)
    valkey.prepare()
    words = [*server.program(folder / "log").argv, *valkey.program(folder / "log").argv]
    assert not [word for word in words if password in word]


def test_valkey_keeps_data_over_a_clean_stop_and_wants_its_password(folder: Path) -> None:
    server = EmbeddedValkey(folder / "valkey", port=pick_free(), password="right")
    server.prepare()
    program = server.program(folder / "log")
    process = start(program)
    wait_for(server.is_ready, "valkey")
    with redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
    with (
        redis.Redis.from_url(server.url.replace(":right@", ":wrong@")) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.get("key")
    assert stop(process, program.stop_signal, 10)
    with running(program), redis.Redis.from_url(server.url) as client:
        assert client.get("key") == b"value"
