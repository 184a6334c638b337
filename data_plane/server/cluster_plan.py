"""What `ottla-broker cluster` keeps of its cluster: who forms it, and which directories there were.

cluster.json in the cluster's directory: version, cluster id, and per broker its directory id,
whether that directory was ever seen, and whether the broker was among the first voters. A broker
whose directory is lost gets a new directory id, so that nobody takes it for the voter that it was.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from uuid import UUID

from data_plane.log.files import DiskFiles, read_whole, write_atomically
from data_plane.log.identity import NAME as IDENTITY_NAME
from data_plane.peers.addresses import UNIX_PATH_BYTES_MAX

VERSION = 1
NAME = "cluster.json"
LOCK_NAME = "cluster.lock"
FIRST_VOTERS_MAX = 3
SOCKET_NAME_BYTES_MAX = len("/internal-999.sock")


class PlanRefused(Exception):
    """This directory is not a cluster that can be run so; the text says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """voted_as: its directory id when the cluster was formed, "" if it was no voter then."""

    broker_id: int
    directory_id: str
    voted_as: str = ""
    is_formatted: bool = False


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    root: Path
    cluster_id: str
    members: tuple[Member, ...] = field(default=())

    def directory(self, broker_id: int) -> Path:
        return self.root / f"broker-{broker_id}"

    def config_file(self, broker_id: int) -> Path:
        return self.root / f"broker-{broker_id}.json"

    def save(self, files: DiskFiles) -> None:
        document = {
            "version": VERSION,
            "cluster_id": self.cluster_id,
            "members": [asdict(one) for one in self.members],
        }
        content = json.dumps(document, indent=1).encode() + b"\n"
        write_atomically(files, self.root / NAME, content)

    def noted(self, new_id: Callable[[], UUID]) -> "ClusterPlan":
        """Take note of directories that have appeared, and of those that are lost."""

        def looked_at(one: Member) -> Member:
            if (self.directory(one.broker_id) / IDENTITY_NAME).exists():
                return replace(one, is_formatted=True)
            if one.is_formatted:
                return replace(one, directory_id=str(new_id()), is_formatted=False)
            return one

        return replace(self, members=tuple(map(looked_at, self.members)))


def open_plan(
    root: Path, files: DiskFiles, broker_count: int, new_id: Callable[[], UUID]
) -> ClusterPlan:
    """Read the plan, or make it; then give it as many brokers as asked for, durably.

    Raises PlanRefused: the file is unreadable, the cluster has more brokers already, or the
    directory is in use for something else, whose records a new cluster would seem to have lost.
    """
    content = read_whole(files, root / NAME)
    if content is None:
        _check_unused(root)
    plan = ClusterPlan(root, str(new_id())) if content is None else _read(root, content)
    known = len(plan.members)
    if known > broker_count:
        raise PlanRefused(f"{root} holds a cluster of {known} brokers, not of {broker_count}")
    # Two voters are worse than one: both must live. So one, or three, form the cluster.
    first = 0 if known else FIRST_VOTERS_MAX if broker_count >= FIRST_VOTERS_MAX else 1
    members = list(plan.members)
    for broker_id in range(known, broker_count):
        directory_id = str(new_id())
        voted_as = directory_id if broker_id < first else ""
        members.append(Member(broker_id, directory_id, voted_as))
    plan = replace(plan, members=tuple(members)).noted(new_id)
    plan.save(files)
    return plan


def _check_unused(root: Path) -> None:
    if (root / IDENTITY_NAME).exists():
        raise PlanRefused(f"{root} belongs to one broker: use `run`, or another directory")
    used = sorted(one.parent.name for one in root.glob(f"broker-*/{IDENTITY_NAME}"))
    if used:
        raise PlanRefused(
            f"{root} has been a cluster's ({', '.join(used)}) but its {NAME} is missing; restore "
            "that file or use another directory"
        )


def check_alone(root: Path) -> None:
    """Raises PlanRefused: this directory holds several brokers, and is none of theirs."""
    if (root / NAME).exists():
        raise PlanRefused(f"{root} belongs to a cluster of several brokers: use `cluster`")


def _read(root: Path, content: bytes) -> ClusterPlan:
    try:
        document = json.loads(content)
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}")
        members = tuple(Member(**one) for one in document["members"])
        if not members or [one.broker_id for one in members] != list(range(len(members))):
            raise ValueError("brokers are missing")
        return ClusterPlan(root, str(document["cluster_id"]), members)
    except (ValueError, KeyError, TypeError) as error:
        raise PlanRefused(f"{root / NAME} is unreadable: {error}") from error


def socket_directory(root: Path) -> Path:
    """A private directory whose sockets have names short enough: in `root`, else a temporary one.

    The same for every start, since voters know each other by address. Raises PlanRefused: somebody
    else has a directory of that name.
    """
    inside = root.resolve() / "sockets"
    if len(os.fsencode(inside)) + SOCKET_NAME_BYTES_MAX > UNIX_PATH_BYTES_MAX:
        digest = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
        inside = Path("/tmp") / f"ottla-{os.getuid()}-{digest}"  # noqa: S108 - checked below
    inside.mkdir(mode=0o700, exist_ok=True)
    found = inside.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PlanRefused(f"{inside} belongs to somebody else")
    inside.chmod(0o700)
    return inside
