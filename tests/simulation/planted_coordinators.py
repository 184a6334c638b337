"""Bugs planted into the coordinators of groups and transactions, and who gives out producer ids."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from data_plane.broker import producer_id_blocks
from data_plane.broker.handlers import allocate_producer_ids
from data_plane.broker.handlers.produce import PendingProduce
from data_plane.broker.shard_host import ShardHost
from data_plane.broker.transaction_coordinators import (
    SETTLED,
    EndingTransaction,
    TransactionCoordinators,
)
from data_plane.coordinator import classic_journal, classic_sync, transaction
from data_plane.coordinator.classic_group import ClassicGroup
from data_plane.coordinator.offsets import Offsets
from data_plane.coordinator.transaction import NO_EPOCH, ProducerIdAndEpoch, Transaction
from data_plane.log.log_slice import LogSlice
from data_plane.metadata import producer_ids
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.allocate_producer_ids import AllocateProducerIdsResponse
from data_plane.protocol.records.batch import BatchHeader
from data_plane.replication.partition import Partition
from data_plane.replication.waiting import Parked
from data_plane.server.clock import Clock
from tests.simulation.plants import Plant, Planted

JUMP_MS_MIN = 500  # No wall clock drifts so far from a broker's own in a world.

# --- any coordinator -----------------------------------------------------------------------------


def answered_before_committed(plant: Plant) -> None:
    """A coordinator's answer leaves when its records are appended."""
    commit = ShardHost.commit

    def early(self: Any, decision: Decision[Any], until_ms: int | None = None) -> Any:
        answer = commit(self, decision, until_ms)
        if isinstance(answer, Parked) and not isinstance(decision.response, Parked):
            plant.bites()
            return decision.response
        return answer

    plant.replace(ShardHost, "commit", early)


def loaded_to_watermark_only(plant: Plant) -> None:
    """A coordinator that takes over does not know what is not committed yet, and will be."""
    replay = ShardHost._replay_batch

    def committed(self: Any, batch: memoryview, header: BatchHeader) -> Iterator[None]:
        if header.base_offset < self.partition.high_watermark:
            yield from replay(self, batch, header)
        else:
            plant.bites()

    plant.replace(ShardHost, "_replay_batch", committed)


def wall_clock_followed(plant: Plant) -> None:
    """Sessions and all else are timed by a clock that anybody may set."""
    now_ms = Clock.now_ms

    def jumping(self: Clock) -> int:
        if abs(self.wall_ms() - now_ms(self)) > JUMP_MS_MIN:
            plant.bites()
        return self.wall_ms()

    plant.replace(Clock, "now_ms", jumping)


# --- transactions --------------------------------------------------------------------------------


def marker_lost(plant: Plant) -> None:
    """A marker that could not be written is not tried again."""

    def once(self: TransactionCoordinators, ending: EndingTransaction, at: Any) -> None:
        def done(error: KafkaError | None) -> None:
            if error is not None and error.code not in SETTLED:
                plant.bites()
            ending.missing.discard(at)
            self._complete_if_done(ending)

        self._markers.write(at, ending.producer, ending.marker, now_ms=self._now_ms(), done=done)

    plant.replace(TransactionCoordinators, "_write_marker", once)


def completed_before_all_markers(plant: Plant) -> None:
    """One partition has its marker: the transaction counts as over."""
    complete = TransactionCoordinators._complete_if_done

    def early(self: TransactionCoordinators, ending: EndingTransaction) -> None:
        if ending.missing and len(ending.missing) < len(ending.prepared.partitions):
            plant.bites()
            ending.missing.clear()
        complete(self, ending)

    plant.replace(TransactionCoordinators, "_complete_if_done", early)


def ended_before_decision_is_committed(plant: Plant) -> None:
    """Markers go out while PrepareX may still be lost."""

    def at_once(self: TransactionCoordinators, host: Any, prepared: Transaction) -> None:
        if host.partition.high_watermark < host.end_offset:
            plant.bites()
        self._end(EndingTransaction(host, prepared))

    plant.replace(TransactionCoordinators, "_end_when_committed", at_once)


def unfinished_not_resumed(plant: Plant) -> None:
    """Who loads a transaction that is being ended leaves it to whoever had begun."""

    def idle(self: TransactionCoordinators, host: Any) -> None:
        if any(True for _ in host.shard.unfinished()):
            plant.bites()

    plant.replace(TransactionCoordinators, "_on_loaded", idle)


def epoch_not_raised(plant: Plant) -> None:
    """InitProducerId gives the epoch that there is: nobody from before is fenced."""

    def same(known: Transaction, expected: ProducerIdAndEpoch | None) -> tuple[int, int]:
        plant.bites()
        return known.producer_epoch, NO_EPOCH

    plant.replace(transaction, "_bumped", same)


def writes_not_verified(plant: Plant) -> None:
    """A transactional batch opens a transaction that no coordinator knows of (KIP-890).

    A log asks for that as well, where it stands already: either is enough.
    """

    def trusting(
        self: PendingProduce, topic: str, partition: Partition, result: Any, batch: memoryview
    ) -> None:
        who, _ = self._producer(batch)
        if not partition.log.producers.is_in_transaction(*who):
            plant.bites()
        self._stage(topic, partition, result, batch, is_verified=True)

    plant.replace(PendingProduce, "_append_in_transaction", trusting)


def last_stable_offset_ignored(plant: Plant) -> None:
    """read_committed reads to the high watermark."""

    def all_of_it(self: Partition, *, is_committed: bool) -> int:
        if is_committed and self.last_stable_offset < self.high_watermark:
            plant.bites()
        return self.high_watermark

    plant.replace(Partition, "limit", all_of_it)


def aborted_not_told(plant: Plant) -> None:
    """A fetch does not say which of its transactions were aborted."""
    aborted = Partition.aborted_transactions

    def none(self: Partition, offset: int, part: LogSlice) -> list[tuple[int, int]]:
        if aborted(self, offset, part):
            plant.bites()
        return []

    plant.replace(Partition, "aborted_transactions", none)


# --- groups --------------------------------------------------------------------------------------


def any_generation_commits(plant: Plant) -> None:
    """A member that was left behind commits over the one that has its partitions now."""
    check = classic_sync.check_commit

    def lenient(*args: Any, **more: Any) -> ErrorCode:
        code = check(*args, **more)
        if code is ErrorCode.NONE:
            return code
        plant.bites()
        return ErrorCode.NONE

    plant.replace(classic_sync, "check_commit", lenient)


def pending_offsets_applied_on_abort(plant: Plant) -> None:
    """The offsets of a transaction count however it ends."""
    end = Offsets.end_transaction

    def always(self: Offsets, producer_id: int, *, is_commit: bool) -> set[str]:
        if not is_commit and producer_id in self._pending:
            plant.bites()
        return end(self, producer_id, is_commit=True)

    plant.replace(Offsets, "end_transaction", always)


def step_of_group_refused(plant: Plant) -> None:
    """With too few replicas in sync a group goes over in memory, and not in its log."""
    is_refused = ShardHost.is_refused

    def whatever_has_begun(self: Any, decision: Decision[Any]) -> bool:
        refused: bool = is_refused(self, replace(decision, is_begun=False))
        if decision.is_begun and refused:
            plant.bites()
        return refused

    plant.replace(ShardHost, "is_refused", whatever_has_begun)


def gathering_forgotten(plant: Plant) -> None:
    """What is left of a KIP-848 group has yet to gather, which its coordinator alone knows."""
    finish_load = classic_journal.finish_load

    def forgetful(group: ClassicGroup, now_ms: int) -> None:
        due_ms = group.gather_due_ms
        finish_load(group, now_ms)
        if group.gather_due_ms != due_ms:
            plant.bites()
        group.gather_due_ms = due_ms

    plant.replace(classic_journal, "finish_load", forgetful)


# --- producer ids --------------------------------------------------------------------------------


def producer_ids_given_twice(plant: Plant) -> None:
    """The block that was given away is not noted."""
    decide = producer_ids.decide_allocate_producer_ids

    def forgetful(
        image: MetadataImage, broker_id: int, broker_epoch: int
    ) -> Decision[AllocateProducerIdsResponse]:
        plant.bites()
        return Decision(decide(image, broker_id, broker_epoch).response)

    plant.replace(producer_id_blocks, "decide_allocate_producer_ids", forgetful)
    plant.replace(allocate_producer_ids, "decide_allocate_producer_ids", forgetful)


BANK = (
    Planted(
        "coordinator answers before committed", answered_before_committed, aim="decision held up"
    ),
    Planted(
        "coordinator loads to the watermark only",
        loaded_to_watermark_only,
        aim="decision not committed yet",
    ),
    Planted("wall clock followed", wall_clock_followed, aim="clock set in a transaction"),
    Planted("transaction marker lost", marker_lost, aim="markers held up"),
    Planted(
        "transaction completes before all markers",
        completed_before_all_markers,
        aim="markers held up",
    ),
    Planted(
        "markers before the decision is committed",
        ended_before_decision_is_committed,
        aim="decision held up",
    ),
    Planted("unfinished transaction not resumed", unfinished_not_resumed, aim="markers held up"),
    Planted("producer epoch not raised", epoch_not_raised, aim="client held up"),
    Planted("transactional writes not verified", writes_not_verified, needs=("transactions",)),
    Planted("last stable offset ignored", last_stable_offset_ignored, needs=("transactions",)),
    Planted("aborted transactions not told", aborted_not_told, needs=("transactions",)),
    Planted("any generation commits", any_generation_commits, needs=("classic group",)),
    Planted(
        "pending offsets applied on abort",
        pending_offsets_applied_on_abort,
        aim="decision held up",
    ),
    Planted("step of a group refused", step_of_group_refused, aim="group changed, too few in sync"),
    Planted("gathering forgotten", gathering_forgotten, aim="group turned back, unled"),
    Planted("producer ids given twice", producer_ids_given_twice),
)
