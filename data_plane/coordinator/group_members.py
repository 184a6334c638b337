"""What the members of a shard's groups ask for, in either protocol, of either kind of group.

A KIP-848 group may hold members that speak the classic protocol, and a group may change its kind:
see classic_in_consumer.py and migration.py.
"""

import random
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from data_plane.coordinator import (
    classic_in_consumer,
    classic_join,
    classic_sync,
    consumer_heartbeat,
    consumer_membership,
    migration,
)
from data_plane.coordinator.classic_answers import Outcome
from data_plane.coordinator.classic_group import ClassicGroup
from data_plane.coordinator.classic_join import JoinAttempt
from data_plane.coordinator.classic_member import GroupState
from data_plane.coordinator.classic_sync import Leaving
from data_plane.coordinator.consumer_group import AWAY, JOINING, LEAVING, ConsumerGroup
from data_plane.coordinator.consumer_group_records import ConsumerGroupRecord
from data_plane.coordinator.consumer_groups import ConsumerGroups
from data_plane.coordinator.consumer_heartbeat import Heartbeat
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.group_records import GroupRecord, GroupRemoved
from data_plane.coordinator.group_table import GroupTable
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatResponse
from data_plane.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from data_plane.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from data_plane.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

R = TypeVar("R")


class GroupMembers:
    """The decisions on members; `GroupsShard` adds those on offsets and time, and the journal.

    rng: makes member ids only; they are no secrets. image_of: the topics there are, as committed.
    """

    def __init__(
        self,
        config: GroupConfig,
        rng: random.Random,
        image_of: Callable[[], MetadataImage],
    ) -> None:
        self.config = config
        self._image_of = image_of
        self._table = GroupTable(config, self._config_of)
        self._rng = rng

    @property
    def groups(self) -> Mapping[str, ClassicGroup]:
        """Classic groups by id, those with nothing but offsets, too."""
        return self._table.classic

    @property
    def consumer_groups(self) -> ConsumerGroups:
        return self._table.consumers

    def _config_of(self, group_id: str) -> GroupConfig:
        """The settings of one group, those that it has of its own over the broker's."""
        return self.config.under(self._image_of().group_configs(group_id))

    # --- members that speak the classic protocol ---------------------------------------------

    def decide_join_group(
        self,
        request: JoinGroupRequest,
        *,
        api_version: int,
        client_id: str,
        client_host: str,
        now_ms: int,
        token: object,
    ) -> Decision[None]:
        """Answered through `token`, always: at once, or when the group has gathered."""
        if (code := self._check_join(request)) is not ErrorCode.NONE:
            refusal = JoinGroupResponse(error_code=code, member_id=request.member_id)
            return Decision(None, replies=((token, refusal),))
        attempt = JoinAttempt(
            request=request,
            api_version=api_version,
            client_id=client_id,
            client_host=client_host,
            new_member_id="" if request.member_id else self._named(request, client_id),
            token=token,
        )
        out = Outcome()
        former = self.consumer_groups.get(request.group_id)
        if former is not None and former.members:
            self._join_consumers(former, attempt, now_ms, out)
            return out.deciding(None)
        if former is not None:
            out.records += former.removal()  # Empty: it becomes a classic group.
        group = self._table.open(request.group_id)
        classic_join.join(group, attempt, now_ms, out)
        return self._decided(group, None, out)

    def _check_join(self, request: JoinGroupRequest) -> ErrorCode:
        if not request.group_id:
            return ErrorCode.INVALID_GROUP_ID
        low, high = self.config.session_timeout_ms_min, self.config.session_timeout_ms_max
        if not low <= request.session_timeout_ms <= high:
            return ErrorCode.INVALID_SESSION_TIMEOUT
        metadata_bytes = sum(len(p.name) + len(p.metadata) for p in request.protocols)
        if metadata_bytes > self.config.member_metadata_bytes_max:
            return ErrorCode.INVALID_REQUEST
        former = self.consumer_groups.get(request.group_id)
        is_known = request.group_id in self.groups or (former is not None and former.members)
        if request.member_id and not is_known:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE

    def _named(self, request: JoinGroupRequest, client_id: str) -> str:
        """Kafka's form, which operators know: the instance or client id, a dash, a UUID."""
        return f"{request.group_instance_id or client_id}-{self.new_member_id()}"

    def new_member_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _join_consumers(
        self, group: ConsumerGroup, attempt: JoinAttempt, now_ms: int, out: Outcome
    ) -> None:
        """A classic member comes to a KIP-848 group, which may become classic by it."""
        try:
            draft = classic_in_consumer.join(group, attempt, self._image_of(), now_ms)
        except KafkaError as error:
            member_id = attempt.request.member_id or attempt.new_member_id
            refusal = JoinGroupResponse(error_code=error.code, member_id=member_id)
            out.replies.append((attempt.token, refusal))
            return
        self._changed(group, draft.journal, now_ms, out)
        out.replies.append((attempt.token, classic_in_consumer.joined(draft)))

    def decide_sync_group(
        self, request: SyncGroupRequest, *, now_ms: int, token: object
    ) -> Decision[None]:
        """Answered through `token`: with the member's own assignment once the leader has synced."""
        group = self.groups.get(request.group_id)
        if group is None:
            answer = self._sync_consumer(request, now_ms)
            return Decision(None, replies=((token, answer),))
        out = Outcome()
        classic_sync.sync(group, request, token, now_ms, out)
        return self._decided(group, None, out)

    def _sync_consumer(self, request: SyncGroupRequest, now_ms: int) -> SyncGroupResponse:
        try:
            group = self._consumer_group(request.group_id)
            answer = classic_in_consumer.sync(group, request, self._image_of(), now_ms)
        except KafkaError as error:
            answer = SyncGroupResponse(error_code=error.code)
        self._watch(request.group_id)
        return answer

    def decide_heartbeat(
        self, request: HeartbeatRequest, *, now_ms: int
    ) -> Decision[HeartbeatResponse]:
        group = self.groups.get(request.group_id)
        if group is None:
            code = self._heartbeat_consumer(request, now_ms)
        else:
            # The session only grows, so the group's timer need not be looked at.
            code = classic_sync.heartbeat(
                group, request.member_id, request.group_instance_id, request.generation_id, now_ms
            )
        return Decision(HeartbeatResponse(error_code=code))

    def _heartbeat_consumer(self, request: HeartbeatRequest, now_ms: int) -> ErrorCode:
        try:
            group = self._consumer_group(request.group_id)
            code = classic_in_consumer.heartbeat(group, request, now_ms)
        except KafkaError as error:
            code = error.code
        self._watch(request.group_id)
        return code

    def decide_leave_group(
        self, group_id: str, leaving: Sequence[Leaving], *, now_ms: int
    ) -> Decision[tuple[ErrorCode, ...]]:
        """One code for each who leaves, in order."""
        out = Outcome()
        group = self.groups.get(group_id)
        if group is None:
            return self._leave_consumers(group_id, leaving, now_ms, out)
        codes = classic_sync.leave(group, leaving, now_ms, out)
        return self._decided(group, codes, out)

    def _leave_consumers(
        self, group_id: str, leaving: Sequence[Leaving], now_ms: int, out: Outcome
    ) -> Decision[tuple[ErrorCode, ...]]:
        codes, gone = [], []
        for who in leaving:
            try:
                member_id = classic_in_consumer.leaving_member(self._consumer_group(group_id), who)
                if member_id in gone:
                    raise KafkaError(code=ErrorCode.UNKNOWN_MEMBER_ID)
                gone.append(member_id)
                codes.append(ErrorCode.NONE)
            except KafkaError as error:
                codes.append(error.code)
        if gone:
            self._take_out(self._consumer_group(group_id), gone, now_ms, out)
        return out.deciding(tuple(codes))

    # --- members that speak ConsumerGroupHeartbeat -------------------------------------------

    def decide_consumer_heartbeat(
        self, heartbeat: Heartbeat
    ) -> Decision[ConsumerGroupHeartbeatResponse]:
        """One heartbeat of a member of a KIP-848 group; a first one may make the group."""
        out = Outcome()
        try:
            consumer_heartbeat.check(heartbeat.request, self.config.consumer_assignors)
            response = self._consumer_heartbeat(heartbeat, out)
        except KafkaError as error:
            return Decision(
                ConsumerGroupHeartbeatResponse(error_code=error.code, error_message=error.message)
            )
        return out.deciding(response)

    def _consumer_heartbeat(
        self, heartbeat: Heartbeat, out: Outcome
    ) -> ConsumerGroupHeartbeatResponse:
        group_id, epoch = heartbeat.request.group_id, heartbeat.request.member_epoch
        group = self.consumer_groups.get(group_id)
        if group is None:
            return self._first_heartbeat(heartbeat, out)
        if epoch == LEAVING:
            instance_id = heartbeat.request.instance_id
            member = consumer_membership.known_member(group, heartbeat.member_id, instance_id)
            self._take_out(group, [member.member_id], heartbeat.now_ms, out)
            return ConsumerGroupHeartbeatResponse(member_id=member.member_id, member_epoch=LEAVING)
        if epoch == AWAY:
            decision = consumer_membership.decide_absence(group, heartbeat)
        else:
            decision = consumer_membership.decide_heartbeat(group, heartbeat)
        out.records += decision.records
        self._table.watch(group)
        return decision.response

    def _first_heartbeat(
        self, heartbeat: Heartbeat, out: Outcome
    ) -> ConsumerGroupHeartbeatResponse:
        """A group comes to be, or a classic one becomes it. Raises GROUP_ID_NOT_FOUND."""
        group_id = heartbeat.request.group_id
        if heartbeat.request.member_epoch != JOINING:
            raise KafkaError(
                f"Group {group_id} is not a consumer group.", code=ErrorCode.GROUP_ID_NOT_FOUND
            )
        group, journal = self._made_group(group_id, heartbeat)
        decision = consumer_membership.decide_heartbeat(group, heartbeat)
        self._table.take_over(group, out)  # From here on nothing refuses it.
        out.is_begun = True
        out.records += [*journal, *decision.records]
        return decision.response

    def _made_group(
        self, group_id: str, heartbeat: Heartbeat
    ) -> tuple[ConsumerGroup, list[GroupRecord | ConsumerGroupRecord]]:
        """A group that is nowhere yet, and what comes before its own records."""
        classic = self.groups.get(group_id)
        if classic is None or (classic.is_unused and not classic.members):
            return self.consumer_groups.new(group_id), []
        if classic.is_in(GroupState.EMPTY):
            removal: list[GroupRecord | ConsumerGroupRecord] = []
            if classic.generation > 0:
                removal.append(GroupRemoved(group_id))
            return self.consumer_groups.new(group_id), removal
        group, journal = migration.upgraded(classic, heartbeat.image, heartbeat.now_ms)
        return group, journal

    # --- who goes ----------------------------------------------------------------------------

    def _take_out(
        self, group: ConsumerGroup, member_ids: Iterable[str], now_ms: int, out: Outcome
    ) -> None:
        journal = group.without(member_ids)
        if journal:
            self._changed(group, journal, now_ms, out)

    def _changed(
        self,
        group: ConsumerGroup,
        journal: Sequence[ConsumerGroupRecord],
        now_ms: int,
        out: Outcome,
    ) -> None:
        """Write `journal`; if only classic members are left after it, the group becomes classic."""
        out.records += journal
        down = migration.downgraded(group, journal, self._image_of(), now_ms)
        if down is None:
            self._table.watch(group)
            return
        out.records += down.records
        self._table.turn_back(down.group)
        out.is_begun = True

    def _consumer_group(self, group_id: str) -> ConsumerGroup:
        """As a classic member finds it. Raises UNKNOWN_MEMBER_ID or INVALID_GROUP_ID."""
        group = self.consumer_groups.get(group_id)
        if group is None:
            raise KafkaError(
                code=ErrorCode.UNKNOWN_MEMBER_ID if group_id else ErrorCode.INVALID_GROUP_ID
            )
        return group

    def _watch(self, group_id: str) -> None:
        group = self.consumer_groups.get(group_id)
        if group is not None:
            self._table.watch(group)

    def _decided(self, group: ClassicGroup, response: R, out: Outcome) -> Decision[R]:
        self._table.settle(group)
        return out.deciding(response)
