"""Metric samples on their way up: numbered, bounded, kept until the control plane has them."""

from collections import deque
from collections.abc import Iterable, Sequence

from data_plane.agent.engines.base import Reading
from data_plane.agent.storage import Storage, write_atomically
from data_plane.contract.metrics import MetricSample

RESERVED_AHEAD = 100_000


class SampleNumbers:
    """Numbers that only grow, across restarts and clock steps, with one write per 100,000.

    The control plane stores a sample once per (node, sequence), so a number given twice would
    lose a sample. Numbers are reserved on disk before they are used, and start no lower than the
    Unix time in ms, so that not even a lost file repeats them.
    """

    def __init__(self, storage: Storage, now_ms: int) -> None:
        self._path = storage.root / "sequence"
        self._next = max(now_ms, self._reserved_on_disk())
        self._reserved = self._next

    def take(self) -> int:
        if self._next >= self._reserved:
            self._reserved = self._next + RESERVED_AHEAD
            write_atomically(self._path, str(self._reserved).encode())
        self._next += 1
        return self._next - 1

    def _reserved_on_disk(self) -> int:
        try:
            return int(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return 0


class SampleQueue:
    """Samples not yet stored by the control plane; the oldest go first when it is full.

    Counters only grow, so what a lost sample counted is in the next one.
    """

    def __init__(self, numbers: SampleNumbers, samples_max: int) -> None:
        self._numbers = numbers
        self._samples: deque[MetricSample] = deque(maxlen=samples_max)

    def add(self, cluster_id: str, broker_id: int, at_ms: int, readings: Iterable[Reading]) -> None:
        for reading in readings:
            self._samples.append(
                MetricSample(
                    name=reading.name,
                    cluster_id=cluster_id,
                    broker_id=broker_id,
                    at_ms=at_ms,
                    value=reading.value,
                    topic=reading.topic,
                    sequence=self._numbers.take(),
                )
            )

    def first(self, count: int) -> Sequence[MetricSample]:
        """The oldest samples; they stay until `stored`."""
        return [sample for _, sample in zip(range(count), self._samples, strict=False)]

    def stored(self, samples: Sequence[MetricSample]) -> None:
        """Drop what the control plane has: everything up to the last of `samples`."""
        last = samples[-1].sequence if samples else -1
        while self._samples and self._samples[0].sequence <= last:
            self._samples.popleft()

    def __len__(self) -> int:
        return len(self._samples)
