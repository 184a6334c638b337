"""Producer ids: the log gives a broker blocks of them, the broker hands them out one by one."""

from data_plane.metadata.brokers import checked_broker
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import MetadataRecord, ProducerIdsRecord
from data_plane.protocol.messages.allocate_producer_ids import AllocateProducerIdsResponse

BLOCK_SIZE = 1_000


def decide_allocate_producer_ids(
    image: MetadataImage, broker_id: int, broker_epoch: int
) -> Decision[AllocateProducerIdsResponse]:
    """Reserve a block for one incarnation. Raises BrokerIdNotRegistered or StaleBrokerEpoch."""
    checked_broker(image, broker_id, broker_epoch)
    start = image.next_producer_id
    record = ProducerIdsRecord(broker_id, broker_epoch, start + BLOCK_SIZE)
    response = AllocateProducerIdsResponse(producer_id_start=start, producer_id_len=BLOCK_SIZE)
    return Decision(response, [record])


class ProducerIds:
    """The block this process draws from; what is left of it is lost with the process.

    An id is unique for the life of the cluster, because the record that reserves its block is
    committed before any id of the block is answered.
    """

    def __init__(self) -> None:
        self._next = 0
        self._end = 0
        self._term = -1

    def decide_next(
        self, image: MetadataImage, *, broker_id: int, broker_epoch: int
    ) -> Decision[int]:
        """Draw one id, reserving a new block if this one is empty.

        image: everything appended. A new term of the quorum may have dropped the record that
        reserved the block, so the block is dropped with the term.
        """
        records: list[MetadataRecord] = []
        if self._next == self._end or self._term != image.term:
            self._next = image.next_producer_id
            self._end = self._next + BLOCK_SIZE
            self._term = image.term
            records.append(ProducerIdsRecord(broker_id, broker_epoch, self._end))
        drawn = self._next
        self._next += 1
        return Decision(drawn, records)
