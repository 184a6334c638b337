"""Whose data directory this is: meta.json, written once, checked at every start."""

import json
from dataclasses import dataclass
from pathlib import PurePath
from uuid import UUID

from data_plane.log.failures import DirectoryRefused
from data_plane.log.files import Files, read_whole, write_atomically

NAME = "meta.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Identity:
    """directory_id tells a replaced directory from the one the cluster knew under a broker id."""

    cluster_id: str
    broker_id: int
    directory_id: UUID


def read_identity(files: Files, root: PurePath) -> Identity | None:
    """Return what meta.json says, None in a fresh directory. Raises DirectoryRefused."""
    content = read_whole(files, root / NAME)
    if content is None:
        return None
    try:
        fields = json.loads(content)
        if fields["version"] != VERSION:
            raise ValueError(f"version {fields['version']}")
        return Identity(
            str(fields["cluster_id"]), int(fields["broker_id"]), UUID(fields["directory_id"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DirectoryRefused(f"{root / NAME} is unreadable: {error}") from error


def write_identity(files: Files, root: PurePath, identity: Identity) -> None:
    """Write meta.json durably."""
    fields = {
        "version": VERSION,
        "cluster_id": identity.cluster_id,
        "broker_id": identity.broker_id,
        "directory_id": str(identity.directory_id),
    }
    write_atomically(files, root / NAME, json.dumps(fields, indent=1).encode() + b"\n")


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
