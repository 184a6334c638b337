"""compression.type: batches that came in another codec are kept in the topic's own.

Done before the batch gets its offsets. Source: Kafka's LogValidator (kafka-protocol.md item 19).
"""

from data_plane.log.log_config import LogConfig
from data_plane.log.rewrite import recompressed
from data_plane.log.validate import records_of
from data_plane.protocol.errors import MessageTooLarge
from data_plane.protocol.records import compression as codecs
from data_plane.protocol.records.batch import BATCH_HEADER_BYTES, BatchHeader, read_header
from data_plane.protocol.records.record import RECORDS_BYTES_MAX


def recompress(
    view: memoryview, header: BatchHeader, config: LogConfig
) -> tuple[memoryview, BatchHeader]:
    """Return the batch at the start of `view` in the topic's codec, and its new header.

    Raises InvalidRecord for records that are not what the header says, MessageTooLarge if the new
    batch is larger than max.message.bytes.
    """
    assert config.compression is not None, "the topic has a codec of its own"
    for _ in records_of(view, header):
        pass  # Whoever reads them later must find them well formed.
    payload = view[BATCH_HEADER_BYTES : header.size_bytes]
    plain = codecs.decompress(header.compression, payload, bytes_max=RECORDS_BYTES_MAX)
    batch = memoryview(bytearray(recompressed(header, plain, config.compression)))
    if len(batch) > config.message_bytes_max:
        raise MessageTooLarge(
            f"a batch of {len(batch)} bytes once recompressed,"
            f" max.message.bytes is {config.message_bytes_max}"
        )
    return batch, read_header(batch)
