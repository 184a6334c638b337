"""BrokerHeartbeat decided: who is let in, fenced by its own wish, or may stop (KIP-631).

Beyond Kafka's: where all wish to stop they do so as one (docs/decisions/0048).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from data_plane.metadata.broker_sessions import BrokerSessions
from data_plane.metadata.brokers import (
    checked_broker,
    decide_begin_shutdown,
    decide_fence,
    decide_unfence,
    handed_over_rows,
)
from data_plane.metadata.commit_rules import Judges
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.leadership import (
    UNKNOWN_END,
    elected_by_ends,
    told_damaged,
    told_lost,
)
from data_plane.metadata.records import PartitionRecord, RegisterBrokerRecord
from data_plane.metadata.replica_ends import ReplicaEnds
from data_plane.protocol.messages.broker_heartbeat import (
    BrokerHeartbeatRequest,
    BrokerHeartbeatRequestPartition,
    BrokerHeartbeatResponse,
)

Answer = Decision[BrokerHeartbeatResponse]


@dataclass(frozen=True, slots=True)
class Hearing:
    """What the active controller knows besides its image."""

    scope: ConfigScope
    sessions: BrokerSessions
    ends: ReplicaEnds
    now_ms: int


def decide_heartbeat(hearing: Hearing, request: BrokerHeartbeatRequest) -> Answer:
    """Take note of a broker and change what it may do.

    Raises BrokerIdNotRegistered or StaleBrokerEpoch; the broker registers anew then, or ends.
    """
    image = hearing.scope.image
    broker = checked_broker(image, request.broker_id, request.broker_epoch)
    hearing.sessions.touch(
        broker.broker_id, broker.broker_epoch, request.current_metadata_offset, hearing.now_ms
    )
    is_caught_up = request.current_metadata_offset >= broker.broker_epoch
    if broker.is_fenced:
        if request.want_shut_down or request.want_fence or not is_caught_up:
            return Decision(_response(broker, request, should_shut_down=request.want_shut_down))
        let_in = decide_unfence(hearing.scope, broker)
        return let_in.answering(BrokerHeartbeatResponse(is_caught_up=True, is_fenced=False))
    if request.want_shut_down:
        return _shutting_down(hearing, broker, request)
    if request.want_fence:
        fenced = decide_fence(hearing.scope, {broker.broker_id})
        return fenced.answering(BrokerHeartbeatResponse(is_caught_up=is_caught_up, is_fenced=True))
    return Decision(_response(broker, request), list(_told_ends(hearing, broker, request)))


def _shutting_down(
    hearing: Hearing, broker: RegisterBrokerRecord, request: BrokerHeartbeatRequest
) -> Answer:
    """Hand over first; stop once all others know. Nobody to tell: stop at once.

    Before that others have a moment to wish the same. If all do, nobody is left to hand over to.
    """
    image, sessions = hearing.scope.image, hearing.sessions
    sessions.wish(broker.broker_id, hearing.now_ms)
    if sessions.all_stop(image):
        own_id = hearing.scope.broker_id
        may_go = sessions.let_go(image, broker.broker_id, own_id=own_id, now_ms=hearing.now_ms)
        return Decision(_response(broker, request, should_shut_down=may_go, all_shut_down=may_go))
    if not broker.is_shutting_down and sessions.is_gathering(image, hearing.now_ms):
        return Decision(_response(broker, request))
    if not broker.is_shutting_down:
        begun = decide_begin_shutdown(hearing.scope, broker)
        offset = hearing.scope.image.offset + len(begun.records)
        hearing.sessions.wait_for_shutdown(broker.broker_id, offset)
        return begun.answering(_response(broker, request))
    rows = handed_over_rows(hearing.scope, broker)
    if rows:  # Somebody has come into an ISR since.
        offset = hearing.scope.image.offset + len(rows)
        hearing.sessions.wait_for_shutdown(broker.broker_id, offset)
        return Decision(_response(broker, request), rows)
    session = hearing.sessions.of(broker.broker_id)
    if session is None or session.shutdown_offset is None:  # Another controller began it.
        hearing.sessions.wait_for_shutdown(broker.broker_id, hearing.scope.image.offset)
        return Decision(_response(broker, request))
    if not _all_know(hearing, broker, session.shutdown_offset):
        return Decision(_response(broker, request))
    fenced = decide_fence(hearing.scope, {broker.broker_id})
    return fenced.answering(
        BrokerHeartbeatResponse(is_caught_up=True, is_fenced=True, should_shut_down=True)
    )


def _all_know(hearing: Hearing, broker: RegisterBrokerRecord, offset: int) -> bool:
    others = hearing.scope.image.active_brokers() - {broker.broker_id}
    sessions = (hearing.sessions.of(each) for each in others)
    return all(each is not None and each.metadata_offset >= offset for each in sessions)


def _told_ends(
    hearing: Hearing, broker: RegisterBrokerRecord, request: BrokerHeartbeatRequest
) -> Iterator[PartitionRecord]:
    """Note how far the broker's replicas reach, and elect where that was what was missing."""
    scope = hearing.scope
    judges = Judges(scope)
    for topic in request.replica_ends:
        found = scope.image.topic_by_id(topic.topic_id)
        for told in topic.partitions:
            if found is None or not 0 <= told.partition_index < len(found.partitions):
                continue
            row = found.partitions[told.partition_index]
            judge = judges.of(found.name)
            if told.is_lost:
                decide = told_lost if told.last_epoch == UNKNOWN_END[0] else told_damaged
                after = decide(row, judge, broker.broker_id)
            else:
                _note(hearing, broker, row, told)
                after = elected_by_ends(row, judge, hearing.ends.of(scope.image, row))
            if after is not row:
                yield after


def _note(
    hearing: Hearing,
    broker: RegisterBrokerRecord,
    row: PartitionRecord,
    told: BrokerHeartbeatRequestPartition,
) -> None:
    key = (row.topic_id, row.partition_index)
    end = (told.last_epoch, told.end_offset)
    hearing.ends.note(key, broker.broker_id, broker.broker_epoch, end)


def _response(
    broker: RegisterBrokerRecord,
    request: BrokerHeartbeatRequest,
    *,
    should_shut_down: bool = False,
    all_shut_down: bool = False,
) -> BrokerHeartbeatResponse:
    return BrokerHeartbeatResponse(
        is_caught_up=request.current_metadata_offset >= broker.broker_epoch,
        is_fenced=broker.is_fenced,
        should_shut_down=should_shut_down,
        all_shut_down=all_shut_down,
    )
