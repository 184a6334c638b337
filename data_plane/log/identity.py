"""Whose data directory this is: meta.json and a copy of it, written once, checked at every start.

Both are JSON: version, cluster id, broker id, directory id, and the CRC-32C (8 hex) of the same
document without it, so every changed byte is noticed. One that is damaged or missing is written
anew from the other; if neither is whole the directory is refused, since under another directory id
the cluster would take everything in here for lost. What an older version wrote has no checksum and
no copy: it is read, and written anew in this form. That version reads the new form too.
"""

import json
from dataclasses import dataclass
from pathlib import PurePath
from uuid import UUID

import crc32c

from data_plane.log.failures import DirectoryRefused
from data_plane.log.files import Files, read_whole, write_atomically

NAME = "meta.json"
COPY_NAME = "meta.copy.json"
VERSION = 1
CHECKSUM = "checksum"


@dataclass(frozen=True, slots=True)
class Identity:
    """directory_id tells a replaced directory from the one the cluster knew under a broker id."""

    cluster_id: str
    broker_id: int
    directory_id: UUID


def read_identity(files: Files, root: PurePath) -> Identity | None:
    """Return what the files say, None in a directory that has neither. Raises DirectoryRefused."""
    found: dict[str, Identity] = {}
    damage: list[str] = []
    for name in (NAME, COPY_NAME):
        content = read_whole(files, root / name)
        if content is None:
            continue
        try:
            found[name] = _decode(content)
        except ValueError as error:
            damage.append(f"{name} is damaged ({error})")
    if damage and not found:
        raise DirectoryRefused(
            f"{root}: {', '.join(damage)}: restore {NAME} from a backup, or start with another "
            "directory, which other brokers' replicas then fill"
        )
    if len(set(found.values())) > 1:
        raise DirectoryRefused(
            f"{root}: {NAME} and {COPY_NAME} name different directories; remove the one that was "
            "copied here from elsewhere"
        )
    return next(iter(found.values()), None)


def write_identity(files: Files, root: PurePath, identity: Identity) -> list[str]:
    """Let both files say it, durably; return the names of those that did not. Raises OSError."""
    content = _encode(identity)
    changed = [name for name in (NAME, COPY_NAME) if read_whole(files, root / name) != content]
    for name in changed:
        write_atomically(files, root / name, content)
    return changed


def check_identity(root: PurePath, found: Identity, wanted: Identity) -> None:
    """Raise DirectoryRefused if the directory is another cluster's or another broker's."""
    if found.cluster_id != wanted.cluster_id:
        raise DirectoryRefused(
            f"{root} belongs to cluster {found.cluster_id}, not to {wanted.cluster_id}"
        )
    if found.broker_id != wanted.broker_id:
        raise DirectoryRefused(
            f"{root} belongs to broker {found.broker_id}, not to {wanted.broker_id}"
        )


def _encode(identity: Identity) -> bytes:
    fields: dict[str, object] = {
        "version": VERSION,
        "cluster_id": identity.cluster_id,
        "broker_id": identity.broker_id,
        "directory_id": str(identity.directory_id),
    }
    checksum = crc32c.crc32c(_document(fields))
    return _document(fields | {CHECKSUM: f"{checksum:08x}"})


def _document(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, indent=1).encode() + b"\n"


def _decode(content: bytes) -> Identity:
    """Raises ValueError for anything but a document of this version, byte for byte."""
    try:
        fields = json.loads(content)
        if fields["version"] != VERSION:
            raise ValueError(f"version {fields['version']}")
        identity = Identity(
            str(fields["cluster_id"]), int(fields["broker_id"]), UUID(fields["directory_id"])
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__} {error}") from error
    if len(fields) > 4 and content != _encode(identity):  # Four fields: of the version before.
        raise ValueError("its checksum is another")
    return identity
