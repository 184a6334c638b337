"""Start after kill -9: with the checkpoint as it was found, and reading the whole log again."""

import time
from collections.abc import Iterator

from data_plane.log.checkpoint import NAME as CHECKPOINT_NAME
from tests.bench.broker import MeasuredBroker
from tests.bench.figures import Figure
from tests.bench.partitions import start_figure
from tests.bench.replay import Connection
from tests.bench.settings import Settings
from tests.bench.wire import (
    REPLICATED,
    batch,
    batch_of_size,
    create_topic,
    end_offset,
    produce_frame,
)

MB = 1_000_000
CASES = (("16 KB", 16 * 1024, 5.0), ("1 KB", 1024, 15.0))


def run(settings: Settings) -> Iterator[Figure]:
    for text, batch_bytes, target_s in CASES:
        with MeasuredBroker() as broker:
            end = fill(broker, batch_bytes, settings.recovery_mb * MB)
            what = f"recovery of {settings.recovery_mb:,} MB in {text} batches"
            yield start_figure(broker, f"{what}, from the checkpoint", 2, kill=True)
            check_end(broker, end)
            yield whole_scan(broker, what, target_s)
            check_end(broker, end)


def fill(broker: MeasuredBroker, batch_bytes: int, size_bytes: int) -> int:
    """Write a log; return its end."""
    data = batch(1, 940) if batch_bytes == 1024 else batch_of_size(batch_bytes)
    with Connection(broker.host, broker.port) as client:
        create_topic(client, "filled", mode=REPLICATED)
        client.replay(produce_frame("filled", data), size_bytes // len(data), 32)
        time.sleep(1.5)  # flush.ms and the sync it asks for: else the tail is read again.
        return end_offset(client, "filled")


def whole_scan(broker: MeasuredBroker, what: str, target_s: float) -> Figure:
    """As if no checkpoint had ever been written: every batch is read and checked."""
    broker.stop(kill=True)
    found = list(broker.data_dir.glob(f"*-0/{CHECKPOINT_NAME}"))
    assert found, "a log of this size has a checkpoint"
    for path in found:
        path.unlink()
    return start_figure(broker, f"{what}, every batch read again", target_s, kill=True)


def check_end(broker: MeasuredBroker, end: int) -> None:
    """Nothing was lost: kill -9 keeps the page cache."""
    with Connection(broker.host, broker.port) as client:
        assert end_offset(client, "filled") == end
