"""Starting, adopting, watching and stopping one broker process.

Brokers have a session of their own and no parent-death signal: they outlive the agent, which finds
them again by what it wrote beside them (process.json), or by their command line.
"""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePath

from data_plane.agent.processes import (
    ProcessIdentity,
    find_by_marker,
    identity_of,
    is_alive,
    reap,
    send,
    start_mark_of_child,
    watch,
)
from data_plane.agent.storage import BrokerStorage, Digests, digests_of, read_json, write_json

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
STOP_POLL_S = 0.02
LOG_TAIL_BYTES = 8192
LOG_LINE_CHARACTERS_MAX = 300
# A broker gets what a Python program needs to run, and none of the agent's own settings.
KEPT_ENVIRONMENT = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH"}
# Key material and long tokens: an error text of a library may quote what it could not read.
SECRET_LOOKING = re.compile(r"-----[A-Z ]+-----.*|[A-Za-z0-9+/_=-]{40,}")


class BrokerProcess:
    """One broker's process, ours or adopted."""

    def __init__(
        self,
        identity: ProcessIdentity,
        has_read: Digests,
        on_death: Callable[[], None],
        *,
        has_served: bool = False,
    ) -> None:
        self.identity = identity
        self.has_read = has_read  # digests of the files, as they were when it read them
        self.has_served = has_served  # once: silence is no start-up any more
        self.exit_status: int | None = None
        self._stop_watching = watch(identity.pid, on_death)

    @property
    def pid(self) -> int:
        return self.identity.pid

    def is_alive(self) -> bool:
        if self.exit_status is None:
            self.exit_status = reap(self.pid)
        return self.exit_status is None and is_alive(self.identity)

    def forget(self) -> None:
        """Let go of it, dead or alive."""
        self._stop_watching()

    def reload(self, storage: BrokerStorage, has_read: Digests) -> None:
        """Have it read again what a running process reads; noted after, so that it is repeated."""
        send(self.identity, signal.SIGHUP)
        self.has_read = has_read
        self._note(storage)

    def mark_served(self, storage: BrokerStorage) -> None:
        """It serves; written down, so that a later agent knows it too."""
        if not self.has_served:
            self.has_served = True
            self._note(storage)

    def _note(self, storage: BrokerStorage) -> None:
        _note(storage, self.identity, self.has_read, has_served=self.has_served)

    async def stop(self, seconds_max: float, number: signal.Signals = signal.SIGTERM) -> bool:
        """Signal, wait, SIGKILL. Returns whether it ended by itself in time."""
        send(self.identity, number)
        if not await self._ended_within(seconds_max):
            send(self.identity, signal.SIGKILL)
            await self._ended_within(seconds_max)
            self.forget()
            return False
        self.forget()
        return True

    async def _ended_within(self, seconds_max: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds_max
        while self.is_alive():
            if loop.time() >= deadline:
                return False
            await asyncio.sleep(STOP_POLL_S)
        return True


def start(
    storage: BrokerStorage,
    argv: Sequence[str],
    marker: str,
    digests: Digests,
    on_death: Callable[[], None],
) -> BrokerProcess:
    """Start a broker, its output appended to its log, and write down who it is.

    It may have ended already; the next look at it tells. Spawned, not forked through subprocess:
    that module warns of every child it loses sight of, and ours are meant to outlive us.
    """
    log = os.open(storage.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        pid = os.posix_spawn(
            argv[0],
            list(argv),
            environment(os.environ),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM],  # Python ignores SIGPIPE
        )
    finally:
        os.close(log)
    # Not by its command line: the kernel shows an empty one until exec is through. The pid cannot
    # be anyone else's before it is collected.
    identity = ProcessIdentity(pid, start_mark_of_child(pid), marker)
    _note(storage, identity, digests)
    return BrokerProcess(identity, digests, on_death)


def adopt(
    storage: BrokerStorage,
    marker: str,
    reloaded: Collection[PurePath],
    on_death: Callable[[], None],
) -> BrokerProcess | None:
    """The broker's living process, started by a former agent, or None.

    reloaded: the engine's files that a running process reads anew.
    """
    noted = read_json(storage.process) or {}
    identity = identity_of(noted["pid"], marker) if isinstance(noted.get("pid"), int) else None
    if identity is None or identity.started != noted.get("started"):
        # The former agent may have been killed between the start and the note; what it had written
        # for the process is then still there, as it was read.
        identity = find_by_marker({marker}).get(marker)
        if identity is None:
            return None
        digests = _digests_of_config(storage, reloaded)
        _note(storage, identity, digests)
        return BrokerProcess(identity, digests, on_death)
    digests = Digests(str(noted.get("digest", "")), str(noted.get("reloaded", "")))
    has_served = noted.get("has_served") is True
    return BrokerProcess(identity, digests, on_death, has_served=has_served)


def _note(
    storage: BrokerStorage,
    identity: ProcessIdentity,
    digests: Digests,
    *,
    has_served: bool = False,
) -> None:
    write_json(
        storage.process,
        {
            "pid": identity.pid,
            "started": identity.started,
            "marker": identity.marker,
            "digest": digests.at_start,
            "reloaded": digests.reloaded,
            "has_served": has_served,
        },
    )


def _digests_of_config(storage: BrokerStorage, reloaded: Collection[PurePath]) -> Digests:
    files = [path for path in storage.config.glob("*") if not path.name.startswith(".")]
    return digests_of({PurePath(path.name): path.read_bytes() for path in files}, reloaded)


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """A broker's environment: this installation's modules, found wherever it runs."""
    kept = {name: value for name, value in own.items() if name in KEPT_ENVIRONMENT}
    paths = [str(PACKAGE_ROOT), *filter(None, [own.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def bound_log(storage: BrokerStorage, bytes_max: int) -> None:
    """Move a grown log to `.1` and empty it; its writer appends, so it goes on at the start."""
    try:
        if storage.log.stat().st_size <= bytes_max:
            return
    except FileNotFoundError:
        return
    shutil.copyfile(storage.log, storage.log.with_suffix(".log.1"))
    os.truncate(storage.log, 0)


def last_log_line(storage: BrokerStorage) -> str:
    """The last line a broker said, cut short and without anything that looks like a secret."""
    try:
        with storage.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            tail = log.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return SECRET_LOOKING.sub("[...]", lines[-1])[:LOG_LINE_CHARACTERS_MAX] if lines else ""
