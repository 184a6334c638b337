"""Producer ids: the controller gives a broker blocks of them, the broker hands them out (KIP-730).

An id is unique for the life of the cluster, because the record that reserves its block is
committed before any id of the block is answered. What is left of a block is lost with the process.
"""

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.producer_ids import decide_allocate_producer_ids
from data_plane.protocol.errors import ErrorCode, KafkaError, NotController
from data_plane.protocol.messages.allocate_producer_ids import (
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
)
from data_plane.replication.peers import Peers
from data_plane.replication.waiting import Parked

R = TypeVar("R")

ANSWER_MS_MAX: Final = 10_000


class DrawingBroker(Protocol):
    """The part of the broker that producer ids need."""

    @property
    def image(self) -> MetadataImage: ...

    @property
    def peers(self) -> Peers: ...

    @property
    def controller_id(self) -> int | None: ...

    def decide(self, choose: Callable[[Controller], Decision[R]]) -> R | Parked: ...


class ProducerIdBlocks:
    """The block this process draws from; one is asked for at a time."""

    def __init__(self, broker: DrawingBroker, broker_id: int) -> None:
        self._broker = broker
        self._broker_id = broker_id
        self._next = 0
        self._end = 0
        self._waiting: list[Parked] = []

    def draw(self) -> int | Parked:
        """An id that nobody has had; Parked while a block is being reserved.

        Raises NotController, or answers so, while there is no controller.
        """
        if self._next < self._end:
            self._next += 1
            return self._next - 1
        parked = Parked()
        self._waiting.append(parked)
        if len(self._waiting) == 1:
            self._reserve()
        if isinstance(parked.response, KafkaError):
            raise parked.response
        return parked.response if isinstance(parked.response, int) else parked

    def _reserve(self) -> None:
        own = self._broker.image.brokers.get(self._broker_id)
        epoch = -1 if own is None else own.broker_epoch
        try:
            found = self._broker.decide(
                lambda controller: decide_allocate_producer_ids(
                    controller.image, self._broker_id, epoch
                )
            )
        except KafkaError as error:
            self._decided(error)
            return
        if isinstance(found, Parked):
            found.when_done(self._decided)
        else:
            self._decided(found)

    def _decided(self, answer: object) -> None:
        """As this node's own controller says, or else the one that decides."""
        controller_id = self._broker.controller_id
        if not isinstance(answer, NotController) or controller_id in (None, self._broker_id):
            self._take(answer)
            return
        assert controller_id is not None, "it was looked at"
        own = self._broker.image.brokers.get(self._broker_id)
        self._broker.peers.request(
            controller_id,
            AllocateProducerIdsRequest(self._broker_id, -1 if own is None else own.broker_epoch),
            self._take,
            timeout_ms=ANSWER_MS_MAX,
        )

    def _take(self, answer: object) -> None:
        waiting, self._waiting = self._waiting, []
        if isinstance(answer, AllocateProducerIdsResponse) and not answer.error_code:
            self._next = answer.producer_id_start
            self._end = self._next + answer.producer_id_len
            for parked in waiting:
                # More than a block of them at once: the rest ask again.
                parked.complete(self._drawn())
            return
        error = answer if isinstance(answer, KafkaError) else NotController()
        if isinstance(answer, AllocateProducerIdsResponse):
            error = KafkaError(code=ErrorCode(answer.error_code))
        for parked in waiting:
            parked.complete(error)

    def _drawn(self) -> int | KafkaError:
        if self._next == self._end:
            return NotController()
        self._next += 1
        return self._next - 1
