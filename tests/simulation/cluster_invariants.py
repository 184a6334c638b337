"""What must hold in a cluster after every event; letters are those of durability.md 1."""

from bisect import bisect_right
from typing import NamedTuple

from data_plane.broker.broker import Broker
from data_plane.log.manifest import PartitionKey
from data_plane.log.partition_log import PartitionLog
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.leadership import eligible
from data_plane.metadata.records import CommitMode, PartitionRecord
from data_plane.protocol.records.batch import iter_batches
from tests.simulation.invariants import Violation
from tests.simulation.machine import Machine

__all__ = ["ClusterInvariants", "Violation"]


class Batch(NamedTuple):
    """One committed batch; epoch and checksum tell one from any other at its place."""

    base_offset: int
    next_offset: int
    leader_epoch: int
    crc: int
    content: bytes


class Oracle:
    """What was ever committed of one partition, in order."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.ends: list[int] = [0]
        self.leaders: dict[int, int] = {}  # leader epoch: who led in it

    @property
    def end(self) -> int:
        return self.ends[-1]

    def compare(self, found: list[Batch], who: str) -> None:
        """Raises Violation where a batch differs from what is known; takes up what is new."""
        for batch in found:
            if batch.base_offset >= self.end:
                if batch.base_offset != self.end:
                    raise Violation(f"{who}: a gap before offset {batch.base_offset}")
                self.batches.append(batch)
                self.ends.append(batch.next_offset)
                continue
            self.check(batch, who)

    def check(self, batch: Batch, who: str) -> None:
        if batch.base_offset >= self.end:
            raise Violation(f"{who}: offset {batch.base_offset} is not committed")
        known = self.batches[bisect_right(self.ends, batch.base_offset) - 1]
        if known[:4] != batch[:4]:
            raise Violation(f"{who}: {batch[:4]} where {known[:4]} was committed")


class Seen(NamedTuple):
    """One process's view of a partition that it leads, as of the last event."""

    leader_epoch: int
    high_watermark: int


class ClusterInvariants:
    """Told of every event's process; looks at nothing else, so that it stays cheap."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.image = MetadataImage()  # the newest that anybody knows to be committed
        self.oracles: dict[int, Oracle] = {}
        self.values: dict[int, list[bytes]] = {}  # acknowledged, by partition
        self.terms: dict[int, int] = {}  # of the quorum: who led in it
        self._seen: dict[tuple[int, int, int], Seen] = {}

    def oracle(self, index: int) -> Oracle:
        return self.oracles.setdefault(index, Oracle())

    # --- clients -------------------------------------------------------------------------------

    def acknowledged(self, index: int, base_offset: int, values: list[bytes]) -> None:
        """The answer says where they are: there they must be, and be committed."""
        oracle = self.oracle(index)
        if not 0 <= base_offset < oracle.end:
            raise Violation(f"acknowledged at {base_offset}, committed to {oracle.end}")
        batch = oracle.batches[bisect_right(oracle.ends, base_offset) - 1]
        if batch.base_offset != base_offset or any(one not in batch.content for one in values):
            raise Violation(f"{values} are not at offset {base_offset}, where they were said to be")
        self.values.setdefault(index, []).extend(values)

    def was_read(self, index: int, offset: int, records: bytes) -> int:
        """Returns where to read on."""
        for batch in batches_of(records):
            if batch.next_offset > offset:
                self.oracle(index).check(batch, "read")
                offset = batch.next_offset
        return offset

    # --- processes -----------------------------------------------------------------------------

    def changed(self, machine: Machine, machines: list[Machine]) -> None:
        """Something happened in this process."""
        is_new = self._look_at_image(machine)
        if machine.broker is None:
            return
        grown = self._look_at_led(machine, machine.broker)
        self._check_members([machine] if not (grown or is_new) else machines)

    def _look_at_image(self, machine: Machine) -> bool:
        if machine.host is None:
            return False
        node = machine.host.controller.node
        if node.leads is not None and self.terms.setdefault(node.term, machine.number) != (
            machine.number
        ):
            raise Violation(f"two leaders of the quorum in term {node.term}")
        if machine.host.image.offset <= self.image.offset:
            return False
        before, self.image = self.image, machine.host.image
        topic = self.image.topics.get(self.topic)
        known = before.topics.get(self.topic)
        if topic is known or topic is None:
            return False
        for row in topic.partitions if known is not None else ():
            self._check_step(known.partitions[row.partition_index], row) if known else None
        return True

    def _check_step(self, before: PartitionRecord, row: PartitionRecord) -> None:
        if row.leader_epoch < before.leader_epoch or row.partition_epoch < before.partition_epoch:
            raise Violation(f"epochs go back: {before} -> {row}")
        if row.leader != before.leader and row.leader_epoch == before.leader_epoch:
            raise Violation(f"a leader without an epoch of its own: {before} -> {row}")

    def _look_at_led(self, machine: Machine, broker: Broker) -> bool:
        grown = False
        for partition in broker.open_partitions():
            if partition.topic != self.topic:
                continue
            key = (machine.number, machine.life, partition.index)
            now = Seen(partition.leader_epoch, partition.high_watermark)
            before = self._seen.get(key)
            if before == now:
                continue
            self._seen[key] = now
            who = f"broker {machine.number} as leader of {partition.index} in {now.leader_epoch}"
            oracle = self.oracle(partition.index)
            leader = oracle.leaders.setdefault(now.leader_epoch, machine.number)
            if leader != machine.number:
                raise Violation(f"{who}: so was {leader}")
            from_offset = 0
            if before is not None and before.leader_epoch == now.leader_epoch:
                from_offset = before.high_watermark
                if now.high_watermark < before.high_watermark:
                    raise Violation(f"{who}: the high watermark fell")
            end = oracle.end
            oracle.compare(read_batches(partition.log, from_offset, now.high_watermark), who)
            grown = grown or oracle.end > end
        return grown

    def _check_members(self, machines: list[Machine]) -> None:
        """(a) and (b): who is in E and is up, as the incarnation that is registered."""
        topic = self.image.topics.get(self.topic)
        if topic is None:
            return
        for row in topic.partitions:
            oracle = self.oracles.get(row.partition_index)
            if oracle is None or row.is_recovering:
                continue
            members = eligible(row)
            for machine in machines:
                if machine.number in members:
                    self._check_member(machine, row, oracle)

    def _check_member(self, machine: Machine, row: PartitionRecord, oracle: Oracle) -> None:
        registered = self.image.brokers.get(machine.number)
        if (
            machine.broker is None
            or registered is None
            or registered.incarnation_id != machine.incarnation_id
        ):
            return
        log = log_of(machine.broker, row)
        if log is None:
            return
        who = f"broker {machine.number}, in E of {row.partition_index} ({row})"
        if log.log_end_offset < oracle.end:
            raise Violation(f"{who}: ends at {log.log_end_offset}, committed is {oracle.end}")
        if row.commit_mode == CommitMode.SYNCED and log.synced_offset < oracle.end:
            raise Violation(f"{who}: has synced {log.synced_offset}, committed is {oracle.end}")

    # --- the end -------------------------------------------------------------------------------

    def judge(self, machines: list[Machine]) -> None:
        """Every replica the same, everything acknowledged there, once and in order."""
        topic = self.image.topics[self.topic]
        for row in topic.partitions:
            oracle = self.oracle(row.partition_index)
            for machine in machines:
                assert machine.broker is not None, "all are up"
                log = log_of(machine.broker, row)
                if log is None:
                    raise Violation(f"broker {machine.number} has no {row.partition_index}")
                found = read_batches(log, 0, log.log_end_offset)
                if [one[:4] for one in found] != [one[:4] for one in oracle.batches]:
                    raise Violation(f"broker {machine.number}: not the committed records")
            self._judge_values(row.partition_index, oracle)

    def _judge_values(self, index: int, oracle: Oracle) -> None:
        whole = b"".join(one.content for one in oracle.batches)
        for value in self.values.get(index, ()):
            found = whole.count(b"\x06key" + bytes([2 * len(value)]) + value)
            if found != 1:
                raise Violation(f"{value!r} was acknowledged and is there {found} times")


def log_of(broker: Broker, row: PartitionRecord) -> PartitionLog | None:
    return broker.log_dir.open_logs().get(PartitionKey(row.topic_id, row.partition_index))


def read_batches(log: PartitionLog, start: int, end: int) -> list[Batch]:
    """What a log holds from one batch boundary to another."""
    found: list[Batch] = []
    while start < end:
        part = log.read(start, bytes_max=1 << 20, offset_limit=end, at_least_one=True)
        batches = batches_of(part.read_bytes())
        if not batches:
            raise Violation(f"a log has nothing at {start}, below {end}")
        found += batches
        start = batches[-1].next_offset
    return found


def batches_of(records: bytes) -> list[Batch]:
    return [
        Batch(
            header.base_offset,
            header.next_offset,
            header.partition_leader_epoch,
            header.crc,
            records[at : at + header.size_bytes],
        )
        for at, header in iter_batches(records)
    ]
