"""`ottla up`: the whole service on one machine, as processes under one supervisor."""

import base64
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from control_plane.local.accounts import NoAccount, unprivileged_account
from control_plane.local.data_directory import DataDirectory, DirectoryForeign, DirectoryInUse
from control_plane.local.ports import KeptPorts, is_free, next_free
from control_plane.local.postgres import EmbeddedPostgres, PostgresUnavailable
from control_plane.local.processes import Program
from control_plane.local.progress import Progress
from control_plane.local.state_file import ServiceState
from control_plane.local.supervisor import StartFailed, StopRequested, Supervisor
from control_plane.local.valkey import EmbeddedValkey, ValkeyUnavailable

API_PORT_DEFAULT = 8000
# Of our environment, what our programs get; everything else stays with us.
PASSED_ON = frozenset(
    {
        "PATH",
        "HOME",
        "LANG",
        "PYTHONPATH",
        "TMPDIR",
        "SSL_CERT_FILE",
        "OPERATION_WAIT_S_MAX",
        "EXTENDED_PLANS",
        "NODE_LOST_S",
    }
)
# Brokers and workers go first, then what they talk to; programs of one stage stop together.
STOP_STAGES = (("agent", "worker", "beat"), ("api",), ("valkey", "postgres"))


def _random_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


SECRETS: dict[str, Callable[[], str]] = {
    "postgres-password": lambda: secrets.token_urlsafe(32),
    "valkey-password": lambda: secrets.token_urlsafe(32),
    "secret-key": _random_key,
}


class UpRefused(Exception):
    """The service cannot be started like this; the message names the way out."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `ottla up` was asked for. port None: 8000 or the next free one; 0: any free one."""

    data_directory: Path
    port: int | None = None
    advertise: str = "127.0.0.1"
    signup_open: bool = False


def up(options: UpOptions, progress: Progress) -> int:
    """Run the service until Ctrl-C or SIGTERM; returns the exit status (0 clean, 1 failed).

    Raises UpRefused before anything was started.
    """
    data = DataDirectory(options.data_directory)
    try:
        data.create()
        data.lock()
        service = Service(data, options)
    except (DirectoryForeign, DirectoryInUse, NoAccount) as problem:
        raise UpRefused(str(problem)) from problem
    except OSError as problem:
        raise UpRefused(f"cannot keep data in {data.root}: {in_words(problem)}") from problem
    state = ServiceState(os.getpid(), api_url=service.api_url, dashboard_url=service.api_url)
    supervisor = Supervisor(state, lambda now: now.write(data.state_file), progress)
    supervisor.install_signal_handlers()
    try:
        service.start(supervisor, progress)
        state.phase = "ready"
        state.write(data.state_file)
        service.announce(progress)
        state.reason = supervisor.watch()
    except StopRequested:
        pass
    except (StartFailed, PostgresUnavailable, ValkeyUnavailable) as problem:
        state.reason = str(problem)
    except OSError as problem:
        state.reason = in_words(problem)
    finally:
        began = time.monotonic()
        supervisor.stop(STOP_STAGES)
        progress.line(f"stopped in {time.monotonic() - began:.1f} s; data kept in {data.root}")
        if state.reason:
            progress.line(f"[red]{state.reason}[/red]")
        state.phase = "failed" if state.reason else "stopped"
        try:
            state.write(data.state_file)
        except OSError as problem:
            progress.line(f"could not write {data.state_file}: {problem}")
    return 1 if state.reason else 0


class Service:
    """The programs of one service: their command lines, environments and order."""

    def __init__(self, data: DataDirectory, options: UpOptions) -> None:
        self._data = data
        self._options = options
        self._secrets = self._read_secrets()
        self._ports = KeptPorts(data.run / "ports.json")
        self._port = self._api_port(options.port)
        self.api_url = f"http://127.0.0.1:{self._port}"
        self._postgres: EmbeddedPostgres | None = None
        self._valkey: EmbeddedValkey | None = None
        account = unprivileged_account()
        if not os.environ.get("DATABASE_URL"):
            self._postgres = EmbeddedPostgres(
                data.postgres,
                port=self._ports.get("postgres"),
                password=self._secrets["postgres-password"],
                account=account,
            )
        if not os.environ.get("REDIS_URL"):
            self._valkey = EmbeddedValkey(
                data.valkey,
                port=self._ports.get("valkey"),
                password=self._secrets["valkey-password"],
            )

    def _read_secrets(self) -> dict[str, str]:
        """Read the secrets, all made before the database that depends on them.

        Raises UpRefused where one is missing beside a database: a new one would open nothing.
        """
        missing = [name for name in SECRETS if not (self._data.secrets / name).exists()]
        if missing and (self._data.postgres / "cluster").exists():
            raise UpRefused(
                f"{self._data.secrets / missing[0]} is missing, and the database cannot be read "
                "without it: restore it from a backup, or choose a new --data-dir"
            )
        return {name: self._data.secret(name, make) for name, make in SECRETS.items()}

    def start(self, supervisor: Supervisor, progress: Progress) -> None:
        """Stage after stage: stores, database release, then everything that uses them."""
        embedded = [store for store in (self._postgres, self._valkey) if store is not None]
        with supervisor.step("prepare"):
            for store in embedded:
                progress.waiting(f"preparing {store.directory.name}")
                store.prepare()
        supervisor.start([store.program(self._log(store.directory.name)) for store in embedded])
        supervisor.run_once(self._python("release", "control_plane.release"))
        supervisor.start([self._api(), self._worker(), self._beat(), self._agent()])

    def announce(self, progress: Progress) -> None:
        progress.line(f"\nOttla is up: [bold]{self.api_url}[/bold]  (API and dashboard)")
        progress.line(f"operator token: {self._data.secrets / 'operator-token'}")
        progress.line(f"clients will be told: {self._options.advertise}")
        progress.line("Ctrl-C stops everything and keeps the data.")

    def _api_port(self, wanted: int | None) -> int:
        if wanted:
            if not is_free(wanted):
                raise UpRefused(f"port {wanted} is already taken: choose another --port")
            return self._ports.keep("api", wanted)
        if wanted == 0:
            return self._ports.get("api")
        kept = self._ports.peek("api")
        first = kept if kept is not None and is_free(kept) else next_free(API_PORT_DEFAULT)
        return self._ports.keep("api", first)

    def _log(self, name: str) -> Path:
        return self._data.logs / f"{name}.log"

    def _environment(self, ready_file: Path | None = None) -> dict[str, str]:
        """What every program of ours gets; secrets travel here, never in a command line."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in PASSED_ON or name.startswith("OTTLA_")
        }
        return {
            **kept,
            "DATABASE_URL": self._postgres.url if self._postgres else os.environ["DATABASE_URL"],
            "REDIS_URL": self._valkey.url if self._valkey else os.environ["REDIS_URL"],
            "SECRET_KEY": self._secrets["secret-key"],
            "PUBLIC_URL": self.api_url,
            "SIGNUP": "open" if self._options.signup_open else "closed",
            "OPERATOR_TOKEN_FILE": str(self._data.secrets / "operator-token"),
            "NODE_TOKEN_FILE": str(self._data.secrets / "node-token"),
            "PYTHONUNBUFFERED": "1",
            **({"READY_FILE": str(ready_file)} if ready_file else {}),
        }

    def _python(
        self,
        name: str,
        *words: str,
        environment: Mapping[str, str] | None = None,
        is_ready: Callable[[], bool] = lambda: True,
        stop_seconds_max: float = 10.0,
    ) -> Program:
        return Program(
            name=name,
            argv=[sys.executable, "-m", *words],
            environment=environment or self._environment(),
            directory=self._data.run,
            log=self._log(name),
            is_ready=is_ready,
            stop_seconds_max=stop_seconds_max,
        )

    def _api(self) -> Program:
        return self._python(
            "api",
            "uvicorn",
            "control_plane.app:app",
            *("--host", "127.0.0.1", "--port", str(self._port), "--no-access-log"),
            # Live pages hold their streams open for ever; a stop does not wait for them.
            *("--timeout-graceful-shutdown", "2"),
            is_ready=lambda: answers_ok("127.0.0.1", self._port, "/healthz"),
        )

    def _worker(self) -> Program:
        return self._celery(
            "worker",
            # Threads: the work is waiting on sockets, and a prefork pool needs /dev/shm.
            *("--pool", "threads", "--concurrency", "4", "--loglevel", "info"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        )

    def _beat(self) -> Program:
        return self._celery(
            "beat", "--loglevel", "warning", "--schedule", str(self._data.run / "beat-schedule")
        )

    def _celery(self, role: str, *options: str) -> Program:
        """A Celery process, ready when it says so by touching its file (queue.py)."""
        ready_file = self._data.run / f"{role}.ready"
        ready_file.unlink(missing_ok=True)
        return self._python(
            role,
            *("celery", "--app", "control_plane.tasks:celery", role, *options),
            environment=self._environment(ready_file),
            is_ready=ready_file.exists,
        )

    def _agent(self) -> Program:
        ready_file = self._data.run / "agent.ready"
        ready_file.unlink(missing_ok=True)
        program = self._python(
            "agent",
            "data_plane.agent.main",
            *("--data-dir", str(self._data.agent), "--control-plane", self.api_url),
            *("--advertise", self._options.advertise),
            *("--token-file", str(self._data.secrets / "node-token")),
            *("--ready-file", str(ready_file), "--stop-brokers-on-exit"),
            is_ready=ready_file.exists,
            # Brokers sync and close their logs first.
            stop_seconds_max=40,
        )
        return replace(program, environment=_without_store_secrets(program.environment))


def _without_store_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The agent is of the data plane: it has no business with the control plane's stores."""
    hidden = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "OPERATOR_TOKEN_FILE"}
    return {name: value for name, value in environment.items() if name not in hidden}


def in_words(problem: OSError) -> str:
    """`No space left on device: /path`, without the number."""
    where = f": {problem.filename}" if problem.filename else ""
    return f"{problem.strerror or problem}{where}"


def answers_ok(host: str, port: int, path: str) -> bool:
    """Whether an HTTP GET is answered with 200; a raw socket, as httpx takes 100 ms to import."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            connection.sendall(request)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
