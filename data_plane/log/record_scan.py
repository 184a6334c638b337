"""Walk through a closed segment batch by batch, every checksum verified, records at hand."""

from collections.abc import Iterator
from dataclasses import dataclass

import crc32c

from data_plane.log.failures import DamagedLog
from data_plane.log.files import File
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.records import compression as codecs
from data_plane.protocol.records.batch import (
    ATTRIBUTES_AT,
    BATCH_HEADER,
    BATCH_HEADER_BYTES,
    MAGIC,
    BatchHeader,
    header_from_fields,
)
from data_plane.protocol.records.record import RECORDS_BYTES_MAX

WINDOW_BYTES = 4 << 20


@dataclass(slots=True)
class Batch:
    """A batch in a window of its file: data[at : at + size_bytes]."""

    data: bytes
    at: int
    header: BatchHeader

    @property
    def whole(self) -> memoryview:
        return memoryview(self.data)[self.at : self.at + self.header.size_bytes]

    def records(self) -> tuple[bytes, int, int]:
        """Return the uncompressed records: the bytes they lie in, their start and their end."""
        start, end = self.at + BATCH_HEADER_BYTES, self.at + self.header.size_bytes
        if self.header.compression == codecs.NONE:
            return self.data, start, end
        payload = memoryview(self.data)[start:end]
        try:
            records = codecs.decompress(
                self.header.compression, payload, bytes_max=RECORDS_BYTES_MAX
            )
        except KafkaError as error:
            raise DamagedLog(f"offset {self.header.base_offset}: {error.message}") from error
        return records, 0, len(records)


def whole_batches(file: File, size_bytes: int) -> Iterator[Batch]:
    """Yield the batches of a closed segment, each checksum verified. Raises DamagedLog."""
    data, start, position = b"", 0, 0
    while position < size_bytes:
        at = position - start
        if at + BATCH_HEADER_BYTES > len(data):
            data, start, at = file.read(position, WINDOW_BYTES), position, 0
            if len(data) < BATCH_HEADER_BYTES:
                raise DamagedLog(f"no batch header at byte {position}")
        header = header_from_fields(BATCH_HEADER.unpack_from(data, at))
        if (
            header.magic != MAGIC
            or not BATCH_HEADER_BYTES <= header.size_bytes <= size_bytes - position
        ):
            raise DamagedLog(f"no batch at byte {position}")
        if at + header.size_bytes > len(data):
            data = file.read(position, max(WINDOW_BYTES, header.size_bytes))
            start, at = position, 0
        batch = Batch(data, at, header)
        # The codecs of a damaged batch would be fed with noise, and a rewrite would hide it.
        if crc32c.crc32c(batch.whole[ATTRIBUTES_AT:]) != header.crc:
            raise DamagedLog(f"the batch at offset {header.base_offset} failed its checksum")
        yield batch
        position += header.size_bytes
