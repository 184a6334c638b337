"""Walk through the batches of a log file by their headers, a window of bytes at a time."""

from collections.abc import Iterator

from data_plane.log.failures import DamagedLog
from data_plane.log.files import File
from data_plane.protocol.records.batch import BATCH_HEADER, BATCH_HEADER_BYTES, MAGIC, BatchHeader

WINDOW_BYTES = 4096

_make_header = BatchHeader._make
_unpack_header = BATCH_HEADER.unpack_from


def read_part(file: File, position: int, size_bytes: int) -> bytes:
    """Bytes of a log's file. Raises DamagedLog where the disk does not give them back (EIO).

    What cannot be read is as good as gone: its partition is out of service, nothing else is.
    """
    try:
        return file.read(position, size_bytes)
    except OSError as error:
        raise DamagedLog(f"read: {error.strerror}") from error


def headers(
    file: File, position: int, end: int, window_bytes: int = WINDOW_BYTES
) -> Iterator[tuple[int, BatchHeader]]:
    """Yield (position, header) of the batches from `position`, which starts one, up to `end`.

    Checksums are not verified. Raises DamagedLog where no whole batch lies.
    """
    window, window_start = b"", position
    while position < end:
        at = position - window_start
        if at + BATCH_HEADER_BYTES > len(window):
            window = read_part(file, position, min(window_bytes, end - position))
            window_start, at = position, 0
            if len(window) < BATCH_HEADER_BYTES:
                raise DamagedLog(f"no batch header at byte {position}")
        header = _make_header(_unpack_header(window, at))
        size_bytes = header.batch_length + 12
        if header.magic != MAGIC or not BATCH_HEADER_BYTES <= size_bytes <= end - position:
            raise DamagedLog(f"no batch at byte {position}")
        yield position, header
        position += size_bytes
