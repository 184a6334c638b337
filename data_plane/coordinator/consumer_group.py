"""A KIP-848 consumer group: every member converges on its own, by heartbeats alone. Theory, code.

The *group epoch* counts what the group should look like: it grows whenever members, subscriptions
or the topics they match change. For the newest group epoch an assignor makes a *target* for each
member. Each member then walks from what it owns to its target by itself:

    STABLE ------- target lacks something it owns -------> UNREVOKED
      ^                                                       | it reports that it gave that up
      |                                                       v
      +----- nothing of its target is held by others -----  (next)
      |                                                       |
      +----- they gave it up ----- UNRELEASED <---- some is --+

A member is told to give up first, at its former epoch; only then does it reach the target's epoch,
and it is given only what nobody holds any more. So two members never own one partition, and nobody
waits for anybody who has nothing to do with it. Who does not give up within its rebalance timeout,
or is not heard of for the session timeout, is fenced: its partitions are free.

Rules:

1. **All of it is journaled**, each change by the record that says it (consumer_group_records.py);
   `replay` alone changes it. Soft are only deadlines, which start anew on load.
2. **Epochs fence.** A heartbeat carries the member's epoch: the current one, or the one before if
   the answer was lost; anything else is a zombie's. Commits carry it too.
3. A static member that leaves for a while (epoch -2) keeps its partitions until its session ends.
4. Members may speak the classic protocol meanwhile (classic_in_consumer.py): to them the epoch is
   the generation, and a rebalance an invitation to join again that concerns them alone.

Sources: KIP-848, KIP-1082, KIP-1043; kafka-protocol.md item 64.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from data_plane.coordinator.consumer_group_records import (
    NO_PARTITIONS,
    Assignment,
    ConsumerGroupRecord,
    Current,
    FormerTopics,
    GroupEpoch,
    Kind,
    MemberState,
    MemberSubscription,
    RegexTopics,
    Removed,
    Target,
    TargetEpoch,
    TopicIdPartition,
)
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.member_deadlines import Awaited, MemberDeadlines
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode

JOINING, LEAVING, AWAY = 0, -1, -2  # epochs that say what a member is about


class ConsumerGroupState(StrEnum):
    """Kafka's names: ListGroups and ConsumerGroupDescribe show them."""

    EMPTY = "Empty"
    ASSIGNING = "Assigning"
    RECONCILING = "Reconciling"
    STABLE = "Stable"
    DEAD = "Dead"


class ConsumerGroup:
    """State of one group, as its records say, and the deadlines of its members."""

    def __init__(self, group_id: str, config: GroupConfig) -> None:
        self.group_id = group_id
        self.config = config
        self.epoch = 0
        self.target_epoch = 0
        self.members: dict[str, MemberSubscription] = {}  # in order of joining
        self.targets: dict[str, Assignment] = {}
        self.current: dict[str, Current] = {}
        self.topics_hash = 0  # of the topics it consumes, as they were at its epoch
        self.has_former_topics = False
        self.regexes: dict[str, RegexTopics] = {}
        self.owners: dict[TopicIdPartition, str] = {}  # until they have given it up
        self.seen: MetadataImage | None = None  # Whose topics are those of the group.
        self.resolved_in: dict[str, MetadataImage] = {}  # and of each expression
        self.deadlines = MemberDeadlines()

    # --- questions ---------------------------------------------------------------------------

    @property
    def state(self) -> ConsumerGroupState:
        if not self.members:
            return ConsumerGroupState.EMPTY
        if self.epoch > self.target_epoch:
            return ConsumerGroupState.ASSIGNING
        if all(self._is_settled(one) for one in self.members):
            return ConsumerGroupState.STABLE
        return ConsumerGroupState.RECONCILING

    def current_of(self, member_id: str) -> Current:
        """Where a member is; epoch 0 and nothing before its first record."""
        return self.current.get(member_id) or Current(self.group_id, member_id, 0, 0)

    def target_of(self, member_id: str) -> Assignment:
        return self.targets.get(member_id, NO_PARTITIONS)

    def static_member(self, instance_id: str | None) -> MemberSubscription | None:
        if instance_id is None:
            return None
        return next((one for one in self.members.values() if one.instance_id == instance_id), None)

    def wanted_topics(self, member: MemberSubscription) -> set[str]:
        """Names that a member subscribes to, whether there are such topics or not."""
        names = set(member.topic_names)
        if member.topic_regex is not None and member.topic_regex in self.regexes:
            names.update(self.regexes[member.topic_regex].topics)
        return names

    def subscribed_names(self) -> set[str]:
        return set().union(*map(self.wanted_topics, self.members.values()))

    def check_commit(
        self,
        member_id: str,
        epoch: int,
        api_version: int | None,
        partitions: Iterable[TopicIdPartition] = (),
    ) -> ErrorCode:
        """May this caller commit? api_version: of OffsetCommit, None within a transaction.

        A member that has moved on meanwhile may still commit what was its own all the time
        (KIP-1251): clients commit beside their heartbeats.
        """
        if epoch < 0 and not self.members:
            return ErrorCode.NONE
        if api_version is None and epoch < 0 and not member_id:
            return ErrorCode.NONE  # Fenced by its transactional id (KIP-447).
        if member_id not in self.members:
            return ErrorCode.UNKNOWN_MEMBER_ID
        is_classic = self.members[member_id].classic is not None
        if api_version is not None and api_version < 9 and not is_classic:
            return ErrorCode.UNSUPPORTED_VERSION  # It could not understand STALE_MEMBER_EPOCH.
        current = self.current_of(member_id)
        own = current.assigned | current.revoking
        if 0 <= epoch < current.epoch and all(
            at in own and current.since_of(at) <= epoch for at in partitions
        ):
            return ErrorCode.NONE
        return self._check_epoch(member_id, epoch)

    def check_fetch(self, member_id: str | None, epoch: int) -> ErrorCode:
        """May this caller read offsets? Who does not claim to be a member may (OffsetFetch v9)."""
        if member_id is None and epoch < 0:
            return ErrorCode.NONE
        if member_id not in self.members:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return self._check_epoch(member_id, epoch)

    def _check_epoch(self, member_id: str, epoch: int) -> ErrorCode:
        if epoch == self.current_of(member_id).epoch:
            return ErrorCode.NONE
        is_classic = self.members[member_id].classic is not None
        return ErrorCode.ILLEGAL_GENERATION if is_classic else ErrorCode.STALE_MEMBER_EPOCH

    def _is_settled(self, member_id: str) -> bool:
        current = self.current_of(member_id)
        return current.state is MemberState.STABLE and current.epoch == self.target_epoch

    # --- the journal -------------------------------------------------------------------------

    def replay(self, record: ConsumerGroupRecord) -> None:
        match record:
            case GroupEpoch():
                self.epoch, self.topics_hash = record.epoch, record.topics_hash
            case FormerTopics():
                self.has_former_topics = True
            case MemberSubscription():
                self.members[record.member_id] = record
            case TargetEpoch():
                self.target_epoch = record.epoch
            case Target():
                self.targets[record.member_id] = record.partitions
            case Current():
                self._release(record.member_id)
                self.current[record.member_id] = record
                self.owners.update(
                    dict.fromkeys(record.assigned | record.revoking, record.member_id)
                )
            case RegexTopics():
                self.regexes[record.regex] = record
            case Removed():
                self._removed(record)

    def _removed(self, record: Removed) -> None:
        match record.kind:
            case Kind.MEMBER:
                self.members.pop(record.name, None)
                self.deadlines.forget(record.name)
            case Kind.TARGET:
                self.targets.pop(record.name, None)
            case Kind.CURRENT:
                self._release(record.name)
                self.current.pop(record.name, None)
            case Kind.REGEX:
                self.regexes.pop(record.name, None)
                self.resolved_in.pop(record.name, None)
            case Kind.TOPICS:
                self.has_former_topics = False
            case Kind.GROUP | Kind.TARGET_EPOCH:
                pass  # The group goes with the first of them (groups_shard.py).

    def _release(self, member_id: str) -> None:
        before = self.current.get(member_id)
        if before is not None:
            for at in before.assigned | before.revoking:
                if self.owners.get(at) == member_id:
                    del self.owners[at]

    def removal(self) -> list[ConsumerGroupRecord]:
        """What takes the whole group back; its epoch last, so that no half of it stays behind."""
        gone = [one for member_id in self.members for one in self.member_removal(member_id)]
        gone += [Removed(Kind.REGEX, self.group_id, regex) for regex in self.regexes]
        kinds = [Kind.TARGET_EPOCH, *self.former_kinds, Kind.GROUP]
        return [*gone, *(Removed(kind, self.group_id) for kind in kinds)]

    @property
    def former_kinds(self) -> Sequence[Kind]:
        """Kinds of records that are not written any more, and that the log has of this group."""
        return (Kind.TOPICS,) if self.has_former_topics else ()

    def member_removal(self, member_id: str) -> list[ConsumerGroupRecord]:
        kinds = (Kind.CURRENT, Kind.TARGET, Kind.MEMBER)
        return [Removed(kind, self.group_id, member_id) for kind in kinds]

    def without(self, member_ids: Iterable[str]) -> list[ConsumerGroupRecord]:
        """Take members out: the next heartbeat of anybody makes a new target."""
        gone = [one for member_id in member_ids for one in self.member_removal(member_id)]
        if not gone:
            return []
        return [*gone, GroupEpoch(self.group_id, self.epoch + 1, self.topics_hash)]

    def after(self, journal: Iterable[ConsumerGroupRecord]) -> "ConsumerGroup":
        """The group as it will be once `journal` is replayed; this one stays as it is."""
        then = ConsumerGroup(self.group_id, self.config)
        then.epoch, then.target_epoch = self.epoch, self.target_epoch
        then.topics_hash, then.has_former_topics = self.topics_hash, self.has_former_topics
        then.members, then.targets = dict(self.members), dict(self.targets)
        then.current, then.regexes = dict(self.current), dict(self.regexes)
        then.owners = dict(self.owners)
        for record in journal:
            then.replay(record)
        return then

    # --- time --------------------------------------------------------------------------------

    def touch(self, member: MemberSubscription, current: Current, now_ms: int) -> None:
        """A member was heard of."""
        member_id, deadlines = member.member_id, self.deadlines
        session_ms = self.config.consumer_session_timeout_ms
        if member.classic is not None:
            session_ms = member.classic.session_timeout_ms
        deadlines.set(Awaited.SIGN_OF_LIFE, member_id, now_ms + session_ms)
        revocation_due_ms = now_ms + member.rebalance_timeout_ms
        if current.state is not MemberState.UNREVOKED or member.classic is not None:
            deadlines.drop(Awaited.REVOCATION, member_id)
        elif current != self.current.get(member_id):
            deadlines.set(Awaited.REVOCATION, member_id, revocation_due_ms)
        else:
            deadlines.set_once(Awaited.REVOCATION, member_id, revocation_due_ms)

    @property
    def next_due_ms(self) -> int | None:
        """When members are to be fenced, Unix milliseconds. Costs O(members)."""
        return self.deadlines.next_due_ms

    def finish_load(self, now_ms: int) -> None:
        """Give everybody a whole session, and a whole rebalance, to be heard of again."""
        for member_id, member in self.members.items():
            self.touch(member, self.current_of(member_id), now_ms)
