"""A bit of one replica's log flips while its broker runs; the others keep what was written.

It is over once the replica has begun anew: that nobody noticed is a failure of the run, and that it
was handed to a consumer is for the checker to find, whose clients do not look at checksums.
"""

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, PartitionMetadata

from data_plane.log.files import DiskFiles
from data_plane.log.manifest import key_from_directory, read_topics
from tests.chaos.broker import ChaosBroker
from tests.chaos.clients import LIBRARIES
from tests.chaos.clients.base import ClientError, Place
from tests.chaos.rig import Rig

TOPIC = "plain"
TRUSTED_SECONDS = 3.0  # What was written in the last two is read as it is.
NOTICED_SECONDS_MAX = 90.0
READ_SECONDS_MAX = 20.0
FOLLOWER_SHARE = 0.3  # It is damage that nobody reads until that replica leads.


class Rot:
    """Of the leader, or of a follower that is made the leader then by killing who is."""

    name: ClassVar[str] = "rot"

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        rig.require_brokers(3)
        self._rig, self._rng = rig, rng
        self.seconds = 0.0
        self.partitions: Sequence[str] = ()

    def begin(self) -> str:
        self._rig.await_in_sync()
        rows = self._partitions()
        place = Place(TOPIC, self._rng.randrange(len(rows)))
        row = rows[place.partition]
        is_followers = self._rng.random() < FOLLOWER_SHARE
        others = [each for each in row.replicas if each != row.leader]
        # The first of them leads next, should the leader die.
        self._victim = self._rig.brokers[others[0] if is_followers else row.leader]
        self._place, self.partitions = place, (place.name,)
        self._directory = directory_of(self._victim, place)
        self._life = self._directory.stat().st_ino
        logs = {path: path.stat().st_size for path in sorted(self._directory.glob("*.log"))}
        time.sleep(TRUSTED_SECONDS)
        at, mask = self._rng.randrange(sum(logs.values())), 1 << self._rng.randrange(8)
        for path, size_bytes in logs.items():
            if at < size_bytes:
                flip(path, at, mask)
                break
            at -= size_bytes
        role = "follower" if is_followers else "leader"
        return f"{role} {self._victim.index}, {place.name}, byte {at} of {path.name}, {mask:#04x}"

    def end(self) -> None:
        deadline = time.monotonic() + NOTICED_SECONDS_MAX
        while not self._has_begun_anew():
            assert time.monotonic() < deadline, f"nobody notices {self._directory.name}"
            leader = self._leader(self._place)
            if leader is not None and leader is not self._victim:
                self._rig.await_in_sync()
                leader.kill()
                leader.start()
            self._read()
        self._rig.await_in_sync()

    def _has_begun_anew(self) -> bool:
        with suppress(FileNotFoundError):
            return self._directory.stat().st_ino != self._life
        return False

    def _partitions(self) -> dict[int, PartitionMetadata]:
        admin = AdminClient({"bootstrap.servers": self._rig.bootstrap, "log_level": 0})
        return admin.list_topics(TOPIC, timeout=READ_SECONDS_MAX).topics[TOPIC].partitions

    def _leader(self, place: Place) -> ChaosBroker | None:
        with suppress(KafkaException):
            leader = self._partitions()[place.partition].leader
            return self._rig.brokers[leader] if leader >= 0 else None
        return None

    def _read(self) -> None:
        """Everything of the partition, by a client that believes what it is given."""
        reader = LIBRARIES["confluent-kafka"].consumer(
            self._rig.bootstrap, "unused-rot", "read_uncommitted"
        )
        deadline = time.monotonic() + READ_SECONDS_MAX
        try:
            _, end = reader.ends([self._place])[self._place]
            reader.assign({self._place: 0})
            while not reader.is_at(self._place, end) and time.monotonic() < deadline:
                reader.poll(0.2, 1_000)
        except ClientError:
            return  # Its leader moves; it is read again.
        finally:
            reader.close()


def directory_of(broker: ChaosBroker, place: Place) -> Path:
    named = read_topics(DiskFiles(is_read_only=True), broker.data_dir)
    for directory in broker.data_dir.iterdir():
        key = key_from_directory(directory.name)
        if key is not None and (named.get(key), key.partition_index) == place:
            return directory
    raise AssertionError(f"broker {broker.index} has no {place.name}")


def flip(path: Path, at: int, mask: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ mask]))
