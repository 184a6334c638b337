"""The metadata images that stopped brokers have on their disks, compared at one offset."""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from data_plane.log.files import DiskFiles
from data_plane.metadata.codec import OTTLA_VERSION, decode_record, encode_batch
from data_plane.metadata.image import ImageDelta, MetadataImage
from data_plane.metadata.snapshots import image_of, records_of
from data_plane.raft.durable import RaftDisk
from data_plane.raft.entries import EntryBatch, is_control

METADATA_NAME = "metadata"


class Replay:
    """One broker's snapshot and log, read from a copy: reading cuts a torn tail off."""

    def __init__(self, data_dir: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="ottla-chaos-") as folder:
            copy = Path(folder) / METADATA_NAME
            shutil.copytree(data_dir / METADATA_NAME, copy)
            disk = RaftDisk(DiskFiles(), copy)
            _, self._batches = disk.load()
            snapshot = disk.snapshot
        self._base = MetadataImage() if snapshot is None else image_of(snapshot)
        self.first_offset = self._base.offset
        self.last_offset = self._batches[-1].last_offset if self._batches else self._base.offset

    def image_at(self, offset: int) -> MetadataImage:
        """The image of everything up to the last whole batch at or below `offset`."""
        delta = ImageDelta(self._base)
        last: EntryBatch | None = None
        for batch in self._batches:
            if batch.last_offset > offset:
                break
            delta.replay_all(decode_record(each) for each in batch.entries if not is_control(each))
            last = batch
        if last is None:
            return self._base
        return delta.publish(offset=last.last_offset, term=last.term)


def digest(image: MetadataImage) -> str:
    """A hash of an image's records, whatever order its parts are kept in."""
    level = image.features.get(OTTLA_VERSION, 0)
    entries = sorted(encode_batch(records_of(image), level))
    found = hashlib.sha256(f"{image.offset} {image.term}".encode())
    for entry in entries:
        found.update(len(entry).to_bytes(4) + entry)
    return found.hexdigest()


def compare(data_dirs: Sequence[Path]) -> tuple[int, int, set[str]]:
    """(first offset, last offset that all have, the digests found there and in between).

    Images are compared at the last common offset; one digest means that all are equal.
    """
    replays = [Replay(data_dir) for data_dir in data_dirs]
    offset = min(replay.last_offset for replay in replays)
    first = max(replay.first_offset for replay in replays)
    return first, offset, {digest(replay.image_at(offset)) for replay in replays}
