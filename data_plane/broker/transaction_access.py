"""What the handlers of transaction APIs share: who may use an id, and codes by version."""

from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import then
from data_plane.coordinator.transaction import ProducerIdAndEpoch, TopicPartition
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation, ResourceType

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

# What a coordinator answers that may be able to say more in a moment.
RETRIABLE = (
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
)


def allows_transactional_id(
    broker: "Broker", ctx: RequestContext, operation: AclOperation, transactional_id: str
) -> bool:
    return broker.authorizer.allows(
        ctx.principal, operation, ResourceType.TRANSACTIONAL_ID, transactional_id, ctx.client_host
    )


def fencing_code(code: ErrorCode, version: int, fenced_from: int) -> ErrorCode:
    """PRODUCER_FENCED, or the code that clients older than `fenced_from` know (KIP-588)."""
    if code is ErrorCode.PRODUCER_FENCED and version < fenced_from:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    return code


def draw_producer_id(broker: "Broker") -> int | Parked:
    """A producer id nobody has had; Parked where a block of them must be reserved first."""
    return broker.producer_ids.draw()


def verification_code(
    broker: "Broker",
    transactional_id: str,
    who: ProducerIdAndEpoch,
    at: TopicPartition,
    *,
    is_abortable_known: bool,
    not_now: ErrorCode,
) -> ErrorCode | KafkaError | Parked:
    """Ask the coordinator whether a partition is in the producer's transaction (KIP-890, part 1).

    is_abortable_known: the client knows TRANSACTION_ABORTABLE. not_now: what its API calls a
    failure that passes. Parked, with an ErrorCode, where another broker is asked.
    """

    def translated(code: ErrorCode) -> ErrorCode:
        return _for_client(code, is_abortable_known=is_abortable_known, not_now=not_now)

    try:
        checked = broker.coordinators.check_in_transaction(transactional_id, who, at)
    except KafkaError as error:
        return translated(error.code)
    return then(checked, translated)


def add_implicitly(
    broker: "Broker",
    transactional_id: str,
    who: ProducerIdAndEpoch,
    at: TopicPartition,
    *,
    not_now: ErrorCode,
) -> ErrorCode | KafkaError | Parked:
    """Take a partition into the transaction because it is being written (KIP-890, part 2).

    Answered once that is committed; while the transaction before is being ended, after that.
    """
    added = broker.coordinators.add_partition(transactional_id, who, at)

    def translated(code: ErrorCode) -> ErrorCode:
        return _for_client(code, is_abortable_known=True, not_now=not_now)

    return then(added, translated)


def _for_client(code: ErrorCode, *, is_abortable_known: bool, not_now: ErrorCode) -> ErrorCode:
    if code in RETRIABLE:
        return not_now
    if code is ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if code is ErrorCode.TRANSACTION_ABORTABLE and not is_abortable_known:
        return ErrorCode.INVALID_TXN_STATE
    return code
