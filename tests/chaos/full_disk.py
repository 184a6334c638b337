"""D7: a disk without room, on a small file system of its own."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.chaos import leftovers
from tests.chaos.broker import ChaosBroker
from tests.chaos.figures import Figure
from tests.chaos.rig import NotRun
from tests.integration.data_plane.broker_process import free_port
from tests.integration.data_plane.kafka_clients import read_all
from tests.progress import Progress
from tests.stopping import Stopping

SIZE_MB = 64
VALUE = b"." * 1_000
PER_ROUND = 500
RECOVERY_SECONDS_MAX = 10.0
WAIT_SECONDS_MAX = 60.0


@contextmanager
def small_disk(size_mb: int) -> Iterator[Path]:
    """A tmpfs of its own. Raises NotRun without the right to mount one."""
    leftovers.clear()
    place = Path(tempfile.gettempdir()) / leftovers.new_name()
    place.mkdir(mode=0o700)
    try:
        try:
            leftovers.run(
                "mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "ottla-chaos", str(place)
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise NotRun("needs the right to mount a file system") from error
        try:
            yield place
        finally:
            leftovers.run("umount", "--lazy", str(place))
    finally:
        place.rmdir()


def figures(rounds: int, stopping: Stopping) -> Iterator[Figure]:
    """Fill it to the last byte, look, make room, look again."""
    with (
        small_disk(SIZE_MB) as place,
        tempfile.TemporaryDirectory(prefix=f"{leftovers.PREFIX}{os.getpid()}-") as folder,
    ):
        broker = ChaosBroker(Path(folder), 0, free_port(), data_dir=place / "data")
        try:
            broker.start()
            with Progress(rounds, what="rounds", label="disks") as progress:
                found = rounds_of(broker, place, rounds, progress, stopping)
            yield from found
        finally:
            broker.kill()


def rounds_of(
    broker: ChaosBroker, place: Path, rounds: int, progress: Progress, stopping: Stopping
) -> list[Figure]:
    admin = AdminClient({"bootstrap.servers": broker.address})
    for future in admin.create_topics([NewTopic("filling", 1, 1)]).values():
        future.result(30)
    acknowledged = refused = unreadable = 0
    recoveries: list[float] = []
    names: set[str] = set()
    for _ in range(rounds):
        if not stopping.goes_on():
            break
        acknowledged += sum(name is None for name in produce(broker, PER_ROUND))
        filler = fill(place)
        await_refusal(broker)
        answers = produce(broker, 20)
        acknowledged += answers.count(None)
        refused += sum(name is not None for name in answers)
        names |= {name for name in answers if name is not None}
        found = read_all(broker.address, "filling", acknowledged, seconds_max=WAIT_SECONDS_MAX)
        unreadable += acknowledged - len(found)
        filler.unlink()
        recovery_s, taken = await_room(broker)
        recoveries.append(recovery_s)
        acknowledged += taken
        progress.step(1)
    found = read_all(broker.address, "filling", acknowledged, seconds_max=WAIT_SECONDS_MAX)
    if not recoveries:
        return []
    done, slowest = len(recoveries), max(recoveries)
    lives = "met" if broker.is_running and broker.starts == 1 else "MISSED"
    is_met = refused and not unreadable and len(found) == acknowledged
    served = "met" if is_met else "MISSED"
    told = f"{refused} writes refused ({', '.join(sorted(names))}), {unreadable} records unreadable"
    soon = "met" if slowest <= RECOVERY_SECONDS_MAX else "MISSED"
    again = "  writes taken again after room is made"
    return [
        Figure("D7", "disk full to the last byte: crashes", done, "0", "0", lives),
        Figure("", "  writes refused, reads go on", done, told, "0", served),
        Figure("", again, done, f"max {slowest:.1f} s", "10 s", soon),
    ]


def fill(place: Path) -> Path:
    """Take every free byte."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        append_all(file)
        os.fsync(file.fileno())
    return filler


def append_all(file: BinaryIO) -> None:
    """Append zeros until the file system has room for none; the file must be unbuffered."""
    size = 1 << 20
    while size:
        try:
            file.write(bytes(size))
        except OSError:
            size //= 2


def produce(broker: ChaosBroker, count: int) -> list[str | None]:
    """Write once, without retries; the error's name for each record, None where it was taken."""
    answers: list[str | None] = []

    def report(error: KafkaError | None, _: Message) -> None:
        answers.append(None if error is None else error.name())

    producer = Producer(
        {
            "bootstrap.servers": broker.address,
            "acks": "all",
            "retries": 0,
            "message.timeout.ms": 20_000,
            "log_level": 0,
        }
    )
    for _ in range(count):
        producer.produce("filling", VALUE, partition=0, on_delivery=report)
    assert producer.flush(WAIT_SECONDS_MAX) == 0, "every record is answered"
    return answers


def await_refusal(broker: ChaosBroker) -> None:
    """A broker looks at its disk now and then; the kernel's refusal comes first."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while produce(broker, 1) == [None]:
        assert time.monotonic() < deadline, "a full disk takes records"


def await_room(broker: ChaosBroker) -> tuple[float, int]:
    """Seconds until a write is taken again, and how many were."""
    began = time.monotonic()
    while produce(broker, 1) != [None]:
        assert time.monotonic() - began < WAIT_SECONDS_MAX, "room is not taken up again"
        time.sleep(0.1)
    return time.monotonic() - began, 1
