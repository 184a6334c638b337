"""What must hold in a cluster after every event; letters are those of durability.md 1.

Whoever acted is looked at, and only what has changed of it, so that it stays cheap.
"""

from collections.abc import Callable, Iterator, Mapping
from uuid import UUID

from data_plane.broker.broker import Broker
from data_plane.log.manifest import PartitionKey
from data_plane.log.partition_log import PartitionLog
from data_plane.metadata.image import MetadataImage, TopicImage
from data_plane.metadata.leadership import eligible
from data_plane.metadata.records import CommitMode, PartitionRecord
from data_plane.replication.follower import Follower
from data_plane.replication.partition import Partition
from tests.simulation.commits import Commits
from tests.simulation.decisions import Decisions
from tests.simulation.invariants import Violation
from tests.simulation.log_matching import LogMatching, Seen, TermMatching
from tests.simulation.machine import Machine
from tests.simulation.on_disk import check_beside, check_durable, check_named, check_swaps
from tests.simulation.oracle import Oracle, batches_of, read_batches
from tests.simulation.time_outs import TimeOuts

__all__ = ["ClusterInvariants", "Violation"]

Place = tuple[str, int]  # topic, partition index
NOWHERE = 1 << 62
NODES_MIN = 2  # W(I) of durability.md 1; here each broker is on a node of its own


class Kept:
    """A replica's log in one process, and what is asked of it as long as its row stands."""

    __slots__ = (
        "end_offset",
        "high_watermark",
        "is_compacting",
        "log",
        "must_be_synced",
        "oracle",
        "place",
        "row",
        "seen",
        "start_offset",
        "synced_offset",
    )

    def __init__(self, log: PartitionLog, place: Place, row: PartitionRecord) -> None:
        self.log = log
        self.place = place
        self.row = row
        self.oracle: Oracle | None = None  # None: not in E as this incarnation
        self.must_be_synced = False
        self.synced_offset = -1  # as far as its disk was looked at
        self.start_offset = -1  # as of the last look
        self.end_offset = NOWHERE  # as of the last look
        self.high_watermark = 0  # as a follower, as of the last look
        self.is_compacting = False  # as of the last look
        self.seen = Seen()


class Led:
    """One process's view of a partition that it leads, as of the last event."""

    __slots__ = ("high_watermark", "leader_epoch", "partition", "start_offset")

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.leader_epoch = self.high_watermark = self.start_offset = -1


class Process:
    """What is known of one process."""

    def __init__(self) -> None:
        self.life = -1
        self.topics: Mapping[str, TopicImage] | None = None
        self.brokers: object = None
        self.log_count = -1
        self.kept: list[Kept] = []
        self.led: dict[Place, Led] = {}


class ClusterInvariants:
    """Told of every event's process; raises Violation."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """now_ms: the world's own time."""
        self.image = MetadataImage()  # the newest that anybody knows to be committed
        self.images: dict[int, int] = {}  # offset: hash of what it says
        self.oracles: dict[Place, Oracle] = {}
        self.values: dict[Place, list[bytes]] = {}  # acknowledged
        self.terms: dict[int, int] = {}  # of the quorum: who led in it
        self.moved = 0  # how often anything was committed
        self.matching = LogMatching()
        self.term_matching = TermMatching()
        self.commits = Commits()
        self.time_outs = TimeOuts(now_ms)
        self.decisions = Decisions(self.time_outs)
        self._processes: dict[int, Process] = {}
        self._seen_image: dict[int, int] = {}  # broker: offset of its newest image
        # Where each log begins on each machine, for as long as that has not lost any pages.
        self._starts: dict[tuple[int, UUID, int], dict[tuple[int, UUID | None], int]] = {}

    def oracle(self, topic: str, index: int) -> Oracle:
        found = self.oracles.get((topic, index))
        if found is None:
            policy = self.image.topic_configs(topic).get("cleanup.policy", "")
            found = self.oracles[topic, index] = Oracle(is_compacted="compact" in policy)
        return found

    def rows(self) -> Iterator[tuple[str, PartitionRecord]]:
        """Every partition there is."""
        for name, topic in self.image.topics.items():
            for row in topic.partitions:
                yield name, row

    # --- clients -------------------------------------------------------------------------------

    def acknowledged(self, place: Place, base_offset: int, values: list[bytes]) -> None:
        """The answer says where they are: there they must be, and be committed."""
        oracle = self.oracle(*place)
        if not 0 <= base_offset < oracle.end:
            raise Violation(f"acknowledged at {base_offset}, committed to {oracle.end}")
        batch = oracle.at(base_offset)
        if batch.base_offset != base_offset or any(one not in batch.content for one in values):
            raise Violation(f"{values} are not at offset {base_offset}, where they were said to be")
        self.values.setdefault(place, []).extend(values)

    def was_read(self, place: Place, offset: int, records: bytes) -> int:
        """Returns where to read on."""
        for batch in batches_of(records):
            if batch.next_offset > offset:
                self.oracle(*place).check(batch, "read")
                offset = batch.next_offset
        return offset

    # --- processes -----------------------------------------------------------------------------

    def quorum_changed(self, machine: Machine, machines: list[Machine]) -> None:
        """Something happened on the thread of this process's quorum, which has no logs."""
        if machine.host is not None and self._look_at_image(machine):
            for one in machines:
                if one.broker is not None:
                    self._look_at_kept(one, self._process(one, one.broker))

    def broker_changed(self, machine: Machine, machines: list[Machine]) -> None:
        """Something happened on the loop of this process's broker, which sees images come late."""
        broker = machine.broker
        if broker is None:
            return
        process = self._process(machine, broker)
        grown = self._look_at_led(machine, process, broker)
        self._look_at_kept(machine, process)
        if grown:
            self._check_grown(grown, machines)

    def _look_at_image(self, machine: Machine) -> bool:
        assert machine.host is not None, "it acted"
        node = machine.host.controller.node
        self.term_matching.look(node.me, node.log)
        if node.leads is not None and self.terms.setdefault(node.term, machine.number) != (
            machine.number
        ):
            raise Violation(f"two leaders of the quorum in term {node.term}")
        image = machine.host.image
        if image.offset == self._seen_image.get(machine.number):
            return False
        self._seen_image[machine.number] = image.offset
        self._check_image(machine.number, image)
        if image.offset <= self.image.offset:
            return False
        before, self.image = self.image, image
        self.moved += 1
        if image.topics is not before.topics:
            self._check_topics(before, image)
        return True

    def _check_image(self, number: int, image: MetadataImage) -> None:
        """Whoever has replayed so far knows the same."""
        content = hash((image.term, *(hash(row) for _, row in image.partitions())))
        if self.images.setdefault(image.offset, content) != content:
            raise Violation(f"broker {number}: another image of the metadata at {image.offset}")

    def _check_topics(self, before: MetadataImage, image: MetadataImage) -> None:
        restarted = {
            number
            for number, known in image.brokers.items()
            if number not in before.brokers
            or before.brokers[number].incarnation_id != known.incarnation_id
        }
        for name, topic in image.topics.items():
            known = before.topics.get(name)
            if known is not None and known is not topic and known.topic_id == topic.topic_id:
                for was, row in zip(known.partitions, topic.partitions, strict=False):
                    if was != row:
                        self._check_step(was, row, self._is_careless(name))
                        check_cover(was, row, restarted)
                        self._forget_starts(was, row)
        for name in before.topics.keys() - image.topics.keys():
            for place in [one for one in self.oracles if one[0] == name]:
                del self.oracles[place]

    def _is_careless(self, topic: str) -> bool:
        """The topic may lose records."""
        return self.image.topic_configs(topic).get("unclean.leader.election.enable") == "true"

    def _check_step(self, before: PartitionRecord, row: PartitionRecord, is_careless: bool) -> None:
        """Epochs only rise, each leader has one of its own, and comes from E (KIP-966)."""
        if row.leader_epoch < before.leader_epoch or row.partition_epoch <= before.partition_epoch:
            raise Violation(f"epochs go back: {before} -> {row}")
        is_same_epoch = row.leader_epoch == before.leader_epoch
        if is_same_epoch and row.leader >= 0 and row.leader != before.leader:
            raise Violation(f"a leader without an epoch of its own: {before} -> {row}")
        if row.leader >= 0 and row.leader not in row.isr:
            raise Violation(f"a leader outside of its ISR: {before} -> {row}")
        if row.is_recovering and not (before.is_recovering or is_careless):
            raise Violation(f"an unclean election: {before} -> {row}")
        if row.elr and row.commit_mode != CommitMode.SPREAD and row.leader >= 0:
            raise Violation(f"eligible without need: {before} -> {row}")

    # --- what it leads -------------------------------------------------------------------------

    def _look_at_led(self, machine: Machine, process: Process, broker: Broker) -> list[Place]:
        grown: list[Place] = []
        count = 0
        for partition in broker.open_partitions():
            count += 1
            place = (partition.topic, partition.index)
            led = process.led.get(place)
            if led is None or led.partition is not partition:
                led = process.led[place] = Led(partition)
            if (
                led.leader_epoch != partition.leader_epoch
                or led.high_watermark != partition.high_watermark
            ) and self._check_led(machine.number, place, led):
                grown.append(place)
        if len(process.led) > count:
            grown += self._look_at_left(machine, process)
        return grown

    def _look_at_left(self, machine: Machine, process: Process) -> list[Place]:
        """What was committed in the very turn in which a partition went counts all the same."""
        left = {place: led for place, led in process.led.items() if led.partition.is_gone}
        for place in left:
            del process.led[place]
        return [
            place
            for place, led in left.items()
            if led.high_watermark != led.partition.high_watermark
            and led.leader_epoch == led.partition.leader_epoch
            and place[0] in self.image.topics
            and self._check_led(machine.number, place, led)
        ]

    def _check_led(self, number: int, place: Place, led: Led) -> bool:
        """True if something is committed that was not before."""
        partition, epoch = led.partition, led.partition.leader_epoch
        who = f"broker {number} as leader of {place} in {epoch}"
        oracle = self.oracle(*place)
        leader = oracle.leaders.setdefault(epoch, number)
        if leader != number:
            raise Violation(f"{who}: so was {leader}")
        reached = partition.high_watermark
        start = partition.log.log_start_offset
        if led.leader_epoch == epoch:
            if reached < led.high_watermark:
                raise Violation(f"{who}: the high watermark fell")
            start = max(start, led.high_watermark)
            is_alone = len(partition.isr) < NODES_MIN and partition.commit_mode == CommitMode.SPREAD
            if reached > led.high_watermark and is_alone:
                raise Violation(f"{who}: more is committed on one node alone, and not on disk")
        if start > oracle.deleted_to and start > 0 and led.leader_epoch != epoch:
            raise Violation(f"{who}: begins at {start}, deleted was to {oracle.deleted_to}")
        led.leader_epoch, led.high_watermark = epoch, reached
        if partition.last_stable_offset > reached:
            raise Violation(f"{who}: the last stable offset is above the high watermark")
        end = oracle.end
        known = len(oracle.batches)
        oracle.compare(read_batches(partition.log, start, reached), who)
        self.decisions.take(place, oracle.batches[known:])
        self.commits.take(place[0], oracle.batches[known:])
        # DeleteRecords takes any.
        stable_end = max(oracle.stable_end, partition.log.log_start_offset)
        if partition.last_stable_offset > stable_end:
            raise Violation(
                f"{who}: {stable_end} is not decided, and below the last stable offset "
                f"{partition.last_stable_offset}"
            )
        self.moved += 1
        return oracle.end > end

    # --- what it holds -------------------------------------------------------------------------

    def _process(self, machine: Machine, broker: Broker) -> Process:
        """What is known of a process, brought up to date with the newest image."""
        process = self._processes.get(machine.number)
        if process is None or process.life != machine.life:
            process = self._processes[machine.number] = Process()
            process.life = machine.life
        logs = broker.log_dir.open_logs()
        if (
            process.topics is not self.image.topics
            or process.brokers is not self.image.brokers
            or process.log_count != len(logs)
        ):
            process.topics, process.brokers = self.image.topics, self.image.brokers
            process.log_count = len(logs)
            for key in broker.log_dir.quarantined:  # It begins anew, with what its leader has.
                self._starts.pop((machine.number, key.topic_id, key.partition_index), None)
            process.kept = list(self._kept(machine, logs, process.kept))
        return process

    def _kept(
        self, machine: Machine, logs: Mapping[PartitionKey, PartitionLog], before: list[Kept]
    ) -> Iterator[Kept]:
        known = {id(one.log): one for one in before}
        registered = self.image.brokers.get(machine.number)
        is_current = registered is not None and registered.incarnation_id == machine.incarnation_id
        for name, row in self.rows():
            log = logs.get(PartitionKey(row.topic_id, row.partition_index))
            if log is None:
                continue
            kept = Kept(log, (name, row.partition_index), row)
            if id(log) in known:
                kept.synced_offset = known[id(log)].synced_offset
                kept.start_offset = known[id(log)].start_offset
                kept.end_offset = known[id(log)].end_offset
                kept.high_watermark = known[id(log)].high_watermark
                kept.is_compacting = known[id(log)].is_compacting
                kept.seen = known[id(log)].seen
            else:
                check_named(machine, kept)
            if is_current and not row.is_recovering and machine.number in eligible(row):
                kept.oracle = self.oracle(name, row.partition_index)
                kept.must_be_synced = row.commit_mode == CommitMode.SYNCED
            yield kept

    def _look_at_kept(self, machine: Machine, process: Process) -> None:
        assert machine.broker is not None, "its process has logs"
        followers = machine.broker._partitions.followers
        for kept in process.kept:
            log, oracle = kept.log, kept.oracle
            follower = followers.get(kept.place)
            if follower is not None and follower.high_watermark != kept.high_watermark:
                self._check_follower(machine.number, kept, follower)
            if log.log_start_offset != kept.start_offset:
                self._check_start(machine, kept)
            if log.log_end_offset < kept.end_offset:
                check_beside(machine, kept)
            kept.end_offset = log.log_end_offset
            is_compacting = log.compaction.run is not None
            if kept.is_compacting and not is_compacting:
                check_swaps(machine, kept)
                kept.seen.forget(-1)
            kept.is_compacting = is_compacting
            if not kept.seen.is_all_of(log):
                self._match(machine, kept)
            if log.synced_offset != kept.synced_offset or log.synced_offset > log.log_end_offset:
                check_durable(machine, kept)
            if oracle is not None:
                end = oracle.ends[-1]
                if log.log_end_offset < end or (kept.must_be_synced and log.synced_offset < end):
                    self._check_member(machine.number, kept, oracle)

    def _check_follower(self, number: int, kept: Kept, follower: Follower) -> None:
        """What it takes for committed is, and stays so."""
        if follower.log is not kept.log:
            return
        reached, before, kept.high_watermark = (
            follower.high_watermark,
            kept.high_watermark,
            follower.high_watermark,
        )
        who = f"broker {number} as follower of {kept.place}"
        if reached < before and not kept.row.is_recovering:
            raise Violation(f"{who}: the high watermark fell, {before} to {reached}")
        committed = self.oracle(*kept.place).end
        if reached > committed:
            raise Violation(f"{who}: takes {reached} for committed, of {committed}")

    def _match(self, machine: Machine, kept: Kept) -> None:
        """Whatever is new in a log is what others have, or will have, at the same place."""
        name, index = kept.place
        oracle, of = self.oracle(name, index), (kept.row.topic_id, index)
        self.matching.look(kept.log, kept.seen, machine.disk.files, of, oracle.end)

    def _check_start(self, machine: Machine, kept: Kept) -> None:
        """What was deleted from a log stays deleted, whoever runs on the machine."""
        key = (machine.number, kept.row.topic_id, kept.row.partition_index)
        known = self._starts.setdefault(key, {})
        lives = (machine.boot, machine.directory_id)
        kept.start_offset = kept.log.log_start_offset
        if kept.start_offset < known.get(lives, 0):
            raise Violation(
                f"broker {machine.number}: {kept.place} begins at {kept.start_offset}, and began "
                f"at {known[lives]}"
            )
        if machine.disk.is_short:  # Where there is no room the note of before stays.
            known.pop(lives, None)
        else:
            known[lives] = kept.start_offset

    def _forget_starts(self, before: PartitionRecord, row: PartitionRecord) -> None:
        """A replica that has gone elsewhere may come back as a new one."""
        for number in set(before.replicas) - set(row.replicas):
            self._starts.pop((number, row.topic_id, row.partition_index), None)

    def _check_grown(self, grown: list[Place], machines: list[Machine]) -> None:
        for machine in machines:
            if machine.broker is not None:
                for kept in self._process(machine, machine.broker).kept:
                    if kept.oracle is not None and kept.place in grown:
                        self._check_member(machine.number, kept, kept.oracle)

    def _check_member(self, number: int, kept: Kept, oracle: Oracle) -> None:
        """(a) and (b): who is in E and is up, as the incarnation that is registered."""
        end = oracle.ends[-1]
        if kept.log.log_end_offset < end:
            raise Violation(
                f"broker {number}, in E of {kept.place} ({kept.row}): ends at "
                f"{kept.log.log_end_offset}, committed is {end}"
            )
        if kept.must_be_synced and kept.log.synced_offset < end:
            raise Violation(
                f"broker {number}, in E of {kept.place} ({kept.row}): has synced "
                f"{kept.log.synced_offset}, committed is {end}"
            )

    # --- the end -------------------------------------------------------------------------------

    def judge(self, machines: list[Machine]) -> None:
        """Every replica the same, everything acknowledged there, once and in order."""
        for name, row in self.rows():
            oracle = self.oracle(name, row.partition_index)
            for machine in machines:
                if machine.number in row.replicas:
                    log = used_log(machine, name, row)
                    self._judge_replica(machine.number, log, name, oracle)
            self._judge_values((name, row.partition_index), oracle)

    def _judge_replica(
        self, number: int, log: PartitionLog | None, topic: str, oracle: Oracle
    ) -> None:
        if log is None:
            raise Violation(f"broker {number} has no log of {topic}")
        found = read_batches(log, log.log_start_offset, log.log_end_offset)
        who = f"broker {number}, a replica of {topic}"
        if oracle.is_compacted:
            for batch in found:
                oracle.check(batch, who)
            there = {offset for batch in found for offset in batch.records()}
            gone = [offset for offset in oracle.last_offsets() if offset not in there]
            if gone:
                raise Violation(f"{who}: the last values of keys are gone, at {gone}")
            return
        if found != oracle.since(log.log_start_offset):
            raise Violation(f"{who}: not the committed records")

    def _judge_values(self, place: Place, oracle: Oracle) -> None:
        whole = b"".join(one.content for one in oracle.batches)
        for value in self.values.get(place, ()):
            found = whole.count(b"\x06key" + bytes([2 * len(value)]) + value)
            if found != 1:
                raise Violation(f"{value!r} was acknowledged and is there {found} times")


def log_of(broker: Broker, row: PartitionRecord) -> PartitionLog | None:
    return broker.log_dir.open_logs().get(PartitionKey(row.topic_id, row.partition_index))


def used_log(machine: Machine, topic: str, row: PartitionRecord) -> PartitionLog | None:
    """A replica's log as of its next use: what a broker leads is opened at the first one."""
    assert machine.broker is not None, "all are up"
    log = log_of(machine.broker, row)
    if log is None and row.leader == machine.number:
        log = machine.broker.partition(topic, row.partition_index).log
    return log


def check_cover(before: PartitionRecord, row: PartitionRecord, restarted: set[int]) -> None:
    """(c): what counts as committed by who holds it stays on two nodes, but for what one loses by
    its own crash.
    """
    was, now = set(eligible(before)), set(eligible(row))
    is_spread = before.commit_mode == row.commit_mode == CommitMode.SPREAD
    if is_spread and len(now) < NODES_MIN <= len(was) and not was - now <= restarted:
        raise Violation(f"E shrinks to one node: {before} -> {row}")
