"""The agent's directory: who holds it, where things lie, how files are written and removed.

lock            held by the one agent (flock: it vanishes with the process)
node.json       the node id given at registration
signing.key  sealing.key          0600
spec.json       last accepted spec; secrets in it stay sealed
sequence        next metric sample number, reserved ahead
status.json     where /healthz and /v1/status answer
directories/    which data directories there were (directories.py)
clusters/<cluster id>/admin/      the agent's own client certificate, key, trusted CA
clusters/<cluster id>/sockets/    by which the brokers of this node talk to each other
clusters/<cluster id>/brokers/<broker id>/
    config/     everything the process reads
    data/       its logs
    ports.json  process.json  broker.log
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple

PRIVATE_FILE, PRIVATE_DIRECTORY = 0o600, 0o700


class DirectoryInUse(Exception):
    """Another agent holds the data directory."""


class Storage:
    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._lock: int | None = None

    def lock(self) -> None:
        """Create the directory and hold it. Raises DirectoryInUse."""
        self.root.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIRECTORY)
        lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise DirectoryInUse(f"another agent already uses {self.root}") from None
        self._lock = lock

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def cluster(self, cluster_id: str) -> "ClusterStorage":
        """Raises ValueError unless `cluster_id` is a UUID: it becomes a directory's name."""
        return ClusterStorage(self.root / "clusters" / str(uuid.UUID(cluster_id)))

    def directory_note(self, cluster_id: str, broker_id: int) -> Path:
        return self.root / "directories" / f"{uuid.UUID(cluster_id)}-{broker_id}.json"

    def cluster_ids(self) -> list[str]:
        """Clusters that have anything on this disk."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(path.name for path in (self.root / "clusters").iterdir())
        return []

    def brokers(self) -> Iterator["BrokerStorage"]:
        for cluster_id in self.cluster_ids():
            yield from self.cluster(cluster_id).brokers()

    def disk(self) -> tuple[int, int]:
        """Free and total bytes of the file system under the data directory."""
        usage = shutil.disk_usage(self.root)
        return usage.free, usage.total


class ClusterStorage:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.admin = root / "admin"

    def broker(self, broker_id: int) -> "BrokerStorage":
        return BrokerStorage(self.root / "brokers" / str(broker_id), broker_id)

    def brokers(self) -> list["BrokerStorage"]:
        """The brokers that have anything on this disk, by id."""
        with contextlib.suppress(FileNotFoundError):
            names = [path.name for path in (self.root / "brokers").iterdir()]
            return [self.broker(number) for number in sorted(int(n) for n in names if n.isdigit())]
        return []

    def remove(self) -> None:
        remove_tree(self.root)


class BrokerStorage:
    def __init__(self, root: Path, broker_id: int) -> None:
        self.root = root
        self.broker_id = broker_id
        self.config = root / "config"
        self.data = root / "data"
        self.log = root / "broker.log"
        self.ports = root / "ports.json"
        self.process = root / "process.json"

    def create(self) -> None:
        for directory in (self.root, self.config, self.data):
            directory.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIRECTORY)

    def remove(self) -> None:
        remove_tree(self.root)


def write_atomically(path: Path, content: bytes, mode: int = PRIVATE_FILE) -> None:
    """Replace `path` whole and durably: a reader, or a power loss, sees the old or the new."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIRECTORY)
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # the umask, or an older file's mode, has no say
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None where the file is missing or damaged: callers can do without."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_json(path: Path, value: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(value, sort_keys=True).encode())


def remove_tree(path: Path) -> None:
    """Remove a directory and all below; gone already is fine. Raises OSError for anything else."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


class Digests(NamedTuple):
    """What a broker's files say, in two parts: one it reads at its start, one whenever it is told.

    Equal digests, equal names and bytes. Both are "" where nothing is known.
    """

    at_start: str = ""
    reloaded: str = ""


def digests_of(files: Mapping[PurePath, bytes], reloaded: Collection[PurePath]) -> Digests:
    """reloaded: the names of those that a running process reads anew."""
    parts: tuple[dict[PurePath, bytes], dict[PurePath, bytes]] = ({}, {})
    for name, content in files.items():
        parts[name in reloaded][name] = content
    return Digests(*map(digest_of, parts))


def digest_of(files: Mapping[PurePath, bytes]) -> str:
    """One digest of names and contents, in any order given."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name} {len(files[name])}\n".encode() + files[name])
    return whole.hexdigest()
