"""A KIP-848 group as it will be once the records of one heartbeat are replayed."""

import struct
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from data_plane.coordinator.assignors import ASSIGNORS, Subscriber
from data_plane.coordinator.consumer_group import ConsumerGroup
from data_plane.coordinator.consumer_group_records import (
    NO_PARTITIONS,
    ConsumerGroupRecord,
    Current,
    GroupEpoch,
    Kind,
    MemberSubscription,
    RegexTopics,
    Removed,
    Target,
    TargetEpoch,
)
from data_plane.coordinator.consumer_heartbeat import Heartbeat
from data_plane.coordinator.reconciliation import reconciled
from data_plane.coordinator.topic_regex import topic_regex
from data_plane.metadata.image import TopicImage

INT64 = struct.Struct(">q")


class Draft:
    """What a heartbeat makes of a group: `journal` says it; `before`, `after`: its sender's part.

    journal: what was decided already, a static member's return; more is appended here.
    """

    def __init__(
        self,
        group: ConsumerGroup,
        heartbeat: Heartbeat,
        member: MemberSubscription,
        journal: list[ConsumerGroupRecord],
    ) -> None:
        self._group = group
        self._heartbeat = heartbeat
        self.member = member
        self.journal = journal
        taken_over = {one.name for one in journal if isinstance(one, Removed)}
        self._members = {
            member_id: one
            for member_id, one in group.members.items()
            if member_id not in taken_over
        }
        self._members[member.member_id] = member
        self._targets = dict(group.targets)
        self.before = group.current_of(member.member_id)
        for record in journal:
            if isinstance(record, Target):
                self._targets[record.member_id] = record.partitions
            elif isinstance(record, Current):
                self.before = record
        self.after = self.before
        self._regexes = dict(group.regexes)
        self._epoch, self._target_epoch = group.epoch, group.target_epoch
        if member != group.members.get(member.member_id):
            journal.append(member)

    def follow_topics(self, *, is_new: bool) -> bool:
        """Look at the topics anew; True if the group's epoch has grown."""
        group = self._group
        self._resolve()
        group.seen = self._heartbeat.image
        topics_hash = hash_of(self._topics())
        if topics_hash == group.topics_hash and not is_new:
            return False
        self._epoch += 1
        self.journal.append(GroupEpoch(group.group_id, self._epoch, topics_hash))
        self.journal += (Removed(kind, group.group_id) for kind in group.former_kinds)
        return True

    def _topics(self) -> list[TopicImage]:
        """Every topic that exists and that some member subscribes to, by name."""
        names = sorted(set().union(*map(self._wanted, self._members.values())))
        image = self._heartbeat.image
        return [topic for name in names if (topic := image.topic(name)) is not None]

    def assign(self) -> None:
        """Make the targets of the group's epoch."""
        group_id = self._group.group_id
        topics = self._topics()
        ids = {topic.name: topic.topic_id for topic in topics}
        subscribers = {
            member_id: Subscriber(
                frozenset(ids[name] for name in self._wanted(member) if name in ids),
                self._targets.get(member_id, NO_PARTITIONS),
                member.instance_id,
            )
            for member_id, member in self._members.items()
        }
        counts = {topic.topic_id: len(topic.partitions) for topic in topics}
        made = ASSIGNORS[
            assignor_of(self._members.values(), self._group.config.consumer_assignors)
        ](subscribers, counts)
        self.journal += [
            Target(group_id, member_id, partitions)
            for member_id, partitions in made.items()
            if member_id not in self._targets or self._targets[member_id] != partitions
        ]
        self._targets, self._target_epoch = made, self._epoch
        self.journal.append(TargetEpoch(group_id, self._epoch))

    def advance(self) -> None:
        """The member's next step."""
        group, member = self._group, self.member
        former = {one.name for one in self.journal if isinstance(one, Removed)}
        self.after = reconciled(
            self.before,
            self._targets.get(member.member_id, NO_PARTITIONS),
            self._target_epoch,
            owned=self._heartbeat.owned,
            is_free=lambda at: group.owners.get(at) is None or group.owners[at] in former,
        )
        if self.after != group.current.get(member.member_id):
            self.journal.append(self.after)
        group.touch(member, self.after, self._heartbeat.now_ms)

    def _wanted(self, member: MemberSubscription) -> set[str]:
        names = set(member.topic_names)
        if member.topic_regex is not None and member.topic_regex in self._regexes:
            names.update(self._regexes[member.topic_regex].topics)
        return names

    def _resolve(self) -> None:
        """Find what the caller's expression matches now; forget expressions nobody has."""
        group, heartbeat, regex = self._group, self._heartbeat, self.member.topic_regex
        in_use = {one.topic_regex for one in self._members.values()}
        for unused in self._regexes.keys() - in_use:
            del self._regexes[unused]
            self.journal.append(Removed(Kind.REGEX, group.group_id, unused))
        if regex is None:
            return
        group.resolved_in[regex] = heartbeat.image
        matches = topic_regex(regex).matches
        names = tuple(
            name
            for name, topic in sorted(heartbeat.image.topics.items())
            if not topic.is_internal and matches(name) and heartbeat.may_describe(name)
        )
        known = self._regexes.get(regex)
        if known is None or known.topics != names:
            found = RegexTopics(
                group.group_id, regex, names, heartbeat.image.offset, heartbeat.now_ms
            )
            self._regexes[regex] = found
            self.journal.append(found)


def assignor_of(members: Iterable[MemberSubscription], assignors: Sequence[str]) -> str:
    """The assignor that most members ask for; the first of `assignors` where they are even."""
    votes = dict.fromkeys(assignors, 0)
    for member in members:
        if member.assignor in votes:
            votes[member.assignor] += 1
    return max(votes, key=lambda name: votes[name])


def hash_of(topics: Iterable[TopicImage]) -> int:
    """A signed int64 that is another one when the topics, or their partitions, are others."""
    digest = blake2b(digest_size=INT64.size)
    for topic in topics:
        digest.update(f"{topic.name}/{topic.topic_id}/{len(topic.partitions)};".encode())
    value: int = INT64.unpack(digest.digest())[0]
    return value
