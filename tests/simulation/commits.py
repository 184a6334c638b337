"""Who committed what for a group, as its coordinator's own log has it, and of what kind a group is.

A member commits in the generation that it is in: from the record of a later one on, whose members
have its partitions, nothing of it counts (classic_sync.py, KIP-134). In a KIP-848 group each member
has an epoch of its own, and one that has moved on may still commit what was its own all the time
(KIP-1251). The log does not say who committed an offset; the members do, who never try a number
twice. A group is of one kind at a time: what it was before is taken back first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from data_plane.coordinator import consumer_group_records
from data_plane.coordinator.consumer_group_records import Current, GroupEpoch, Kind, Removed
from data_plane.coordinator.group_records import (
    GroupChanged,
    GroupRemoved,
    OffsetCommitted,
    decode_record,
)
from tests.simulation.invariants import Violation
from tests.simulation.oracle import Batch

GROUPS_TOPIC = "__consumer_offsets"
NEVER = 1 << 62

Tried = tuple[str, int]  # member id, and the generation or epoch that it took for its own


@dataclass(frozen=True, slots=True)
class Standing:
    """A member of a KIP-848 group. since: by partition, the epoch in which it came to it."""

    epoch: int
    since: Mapping[int, int] = field(default_factory=dict)

    def after(self, record: Current) -> "Standing":
        own = (partition for _, partition in record.assigned | record.revoking)
        since = {one: self.since.get(one, record.epoch) for one in own}
        return Standing(record.epoch, since)

    def may_commit(self, partition: int, epoch: int) -> bool:
        return epoch == self.epoch or self.since.get(partition, NEVER) <= epoch < self.epoch


class Commits:
    """Told of every try, and of every batch that is committed, in order within its partition."""

    def __init__(self) -> None:
        self._generations: dict[str, int] = {}  # classic groups: the newest one that is committed
        self._standings: dict[str, dict[str, Standing]] = {}  # KIP-848 groups: by member
        self._tried: dict[tuple[str, int, int], Tried] = {}  # by (group, partition, offset)
        self._newest: dict[str, tuple[int, int]] = {}  # by group: which life of it, and generation

    def tries(self, group_id: str, index: int, offset: int, who: Tried) -> None:
        self._tried[group_id, index, offset] = who

    def life(self, group_id: str) -> int:
        """How often its generations have begun anew, which they do behind a group that was empty.

        Nobody hears of a life before it: a session is longer than anybody waits for an answer.
        """
        return self._newest.get(group_id, (0, 0))[0]

    def _reaches(self, group_id: str, generation: int) -> None:
        life, before = self._newest.get(group_id, (0, 0))
        self._newest[group_id] = (life + (generation < before), generation)

    def take(self, topic: str, batches: Sequence[Batch]) -> None:
        """Raises Violation."""
        if topic != GROUPS_TOPIC:
            return
        for batch in batches:
            for key, value in () if batch.is_control else batch.records().values():
                if key is not None:
                    self._take_record(key, value)

    def _take_record(self, key: bytes, value: bytes | None) -> None:
        match decode_record(key, value) or consumer_group_records.decode_record(key, value):
            case GroupChanged() as record:
                if record.group_id in self._standings:
                    raise Violation(
                        f"group {record.group_id} is of both kinds: classic by {record}"
                    )
                self._generations[record.group_id] = record.generation
                self._reaches(record.group_id, record.generation)
            case GroupRemoved(group_id):
                self._generations.pop(group_id, None)
            case GroupEpoch() as record:
                if record.group_id in self._generations:
                    raise Violation(
                        f"group {record.group_id} is of both kinds: KIP-848 by {record}"
                    )
                self._standings.setdefault(record.group_id, {})
                self._reaches(record.group_id, record.epoch)
            case Removed(Kind.GROUP, group_id):
                self._standings.pop(group_id, None)
            case Removed(Kind.CURRENT, group_id, member_id):
                self._standings.get(group_id, {}).pop(member_id, None)
            case Current() as record:
                standings = self._standings.setdefault(record.group_id, {})
                before = standings.get(record.member_id, Standing(record.epoch))
                standings[record.member_id] = before.after(record)
            case OffsetCommitted() as record:
                self._check(record)

    def _check(self, record: OffsetCommitted) -> None:
        tried = self._tried.get((record.group_id, record.partition, record.offset))
        if tried is None:
            return
        member_id, generation = tried
        standings = self._standings.get(record.group_id)
        now = self._generations.get(record.group_id, generation)
        said = f"generation {now}"
        is_so = now == generation
        if standings is not None:
            standing = standings.get(member_id)
            said = f"by {standing}"
            is_so = standing is not None and standing.may_commit(record.partition, generation)
        if not is_so:
            raise Violation(
                f"group {record.group_id}: {record.offset} of partition {record.partition} is "
                f"committed in {said}, by member {member_id} of {generation}"
            )
