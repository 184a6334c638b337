"""What coordinators decide, as their own logs have it: what rests on it comes behind it.

Durability.md 4: nothing that is derived from uncommitted records leaves a broker. So no partition
has a batch of a transaction that the coordinator does not know to be there (KIP-890), nor a marker
of one whose end was not committed before, and no transaction is over before each of its partitions
has one. Markers of an earlier epoch, or coordinator, come to nothing.

And each state follows from the one before it, whoever wrote that: what is committed of a
transaction is known to whoever coordinates it next.
"""

from collections.abc import Sequence

from data_plane.coordinator.transaction import (
    COMPLETED,
    PREPARED,
    TRANSITIONS,
    Transaction,
    TransactionState,
)
from data_plane.coordinator.transaction_records import TransactionRemoved, decode_record
from data_plane.coordinator.transactions_topic import TRANSACTIONS_TOPIC
from data_plane.protocol.records.control import MarkerType
from tests.simulation.invariants import Violation
from tests.simulation.oracle import Batch
from tests.simulation.time_outs import TimeOuts

Place = tuple[str, int]  # topic, partition index
Producer = tuple[int, int]  # id, epoch


class Decisions:
    """Told of every batch that is committed, in order within its partition."""

    def __init__(self, time_outs: TimeOuts) -> None:
        self._time_outs = time_outs
        # Transactional ids whose last decision is not carried out yet: the offset of that.
        self.unfinished: dict[str, int] = {}
        self._states: dict[str, Transaction] = {}  # by transactional id
        self._ends: set[tuple[Producer, MarkerType]] = set()
        self._missing: dict[Producer, set[Place]] = {}  # without a marker, of the last PrepareX
        self._added: set[tuple[Producer, str, int]] = set()
        # The newest by place and producer: its own, and that of who wrote its last marker.
        self._epochs: dict[tuple[Place, int], int] = {}
        self._coordinators: dict[tuple[Place, int], int] = {}

    def take(self, place: Place, batches: Sequence[Batch]) -> None:
        """Raises Violation."""
        for batch in batches:
            if place[0] == TRANSACTIONS_TOPIC:
                self._take_states(batch)
                continue
            at = (place, batch.producer_id)
            known = self._epochs.get(at, -1)
            if batch.is_control:
                self._take_marker(place, batch)
                if batch.producer_epoch < known:
                    raise Violation(f"{at}: a marker of epoch {batch.producer_epoch}, was {known}")
            elif batch.is_transactional:
                self._is_added(place, batch)
            self._epochs[at] = max(known, batch.producer_epoch)

    def _take_states(self, batch: Batch) -> None:
        for offset, (key, value) in batch.records().items():
            record = None if key is None else decode_record(key, value)
            if isinstance(record, TransactionRemoved):
                self._states.pop(record.transactional_id, None)
            if not isinstance(record, Transaction):
                continue
            check_follows(self._states.get(record.transactional_id), record, offset)
            self._states[record.transactional_id] = record
            self._time_outs.take(record, batch.leader_epoch)
            self.unfinished.pop(record.transactional_id, None)
            producer = (record.producer_id, record.producer_epoch)
            self._added |= {(producer, at[0], at[1]) for at in record.partitions}
            if record.state in PREPARED:
                self.unfinished[record.transactional_id] = offset
                self._ends.add((producer, end_of(is_commit=record.is_commit)))
                self._missing[producer] = {(topic, index) for topic, index in record.partitions}
            elif record.state in COMPLETED.values():
                self._completed(record)

    def _is_added(self, place: Place, batch: Batch) -> None:
        producer = (batch.producer_id, batch.producer_epoch)
        if (producer, *place) not in self._added:
            raise Violation(f"{place}: {producer} at {batch.base_offset}, not in its transaction")

    def _take_marker(self, place: Place, batch: Batch) -> None:
        producer, marker = (batch.producer_id, batch.producer_epoch), batch.control
        if marker is None or (producer, marker.type) not in self._ends:
            raise Violation(f"{place}: a marker of {producer} at {batch.base_offset}, not decided")
        at = (place, batch.producer_id)
        known = self._coordinators.get(at, -1)
        if marker.coordinator_epoch < known:
            raise Violation(
                f"{at}: a marker of coordinator {marker.coordinator_epoch}, was {known}"
            )
        self._coordinators[at] = marker.coordinator_epoch
        self._missing.get(producer, set()).discard(place)

    def _completed(self, record: Transaction) -> None:
        """A partition that has seen a newer epoch takes no marker, and needs none."""
        producer = (record.producer_id, record.producer_epoch)
        for place in self._missing.pop(producer, ()):
            if self._epochs.get((place, producer[0]), -1) <= producer[1]:
                raise Violation(f"{record.transactional_id} is over, {place} has no marker")


def check_follows(before: Transaction | None, record: Transaction, offset: int) -> None:
    """Epochs never fall; until it is decided a transaction only grows, and then it stays so."""
    if before is None:
        return
    is_same = record.producer_id == before.producer_id
    if (
        record.state not in TRANSITIONS[before.state]
        or (is_same and record.producer_epoch < before.producer_epoch)
        or (
            before.state is TransactionState.ONGOING
            and not record.partitions.issuperset(before.partitions)
        )
    ):
        raise Violation(f"the transactions' log at {offset}: {record} behind {before}")


def end_of(*, is_commit: bool) -> MarkerType:
    return MarkerType.COMMIT if is_commit else MarkerType.ABORT
