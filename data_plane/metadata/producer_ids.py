"""Producer ids: the log gives a broker blocks of them (KIP-730)."""

from data_plane.metadata.brokers import checked_broker
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import ProducerIdsRecord
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
