"""The quorum: metadata replayed at a start, and another controller after kill -9."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from random import Random
from uuid import UUID

from data_plane.log.files import DiskFiles
from data_plane.metadata.controller import Controller
from data_plane.metadata.records import PartitionRecord, TopicRecord
from tests.bench.figures import Figure
from tests.bench.settings import Settings
from tests.integration.data_plane.cluster_process import ClusterProcess, free_base_port

RECORDS = 50_000
PARTITIONS_PER_TOPIC = 49  # and the topic itself
REPLAY_S_MAX = 2.0
FAILOVER_S_MAX = 3.0
WHY_REPLAY = (
    "it took {cpu_s:.2f} s of CPU; the rest is a wait for the disk, or for a busy machine. Four "
    "fifths of it decode records, one after the other, in compiled code: 27 calls a record, 35 "
    "before ids were remembered. A snapshot costs what the log does: each record is decoded once."
)


def run(settings: Settings) -> Iterator[Figure]:
    topics = max(1, int(RECORDS * settings.share) // (PARTITIONS_PER_TOPIC + 1))
    with tempfile.TemporaryDirectory() as directory:
        path = PurePath(directory) / "metadata"
        write(path, topics)
        yield replayed(path, topics, "the log", settings.rounds)
        cut(path)
        yield replayed(path, topics, "a snapshot", settings.rounds)
    with tempfile.TemporaryDirectory() as directory:
        yield failover(Path(directory), settings.rounds)


def opened(path: PurePath) -> Controller:
    return Controller.open(DiskFiles(), path, voter_id=0, rng=Random(1))


def write(path: PurePath, topics: int) -> None:
    """One decision per topic, as CreateTopics makes them; synced together."""
    controller = opened(path)
    for number in range(topics):
        topic_id = UUID(int=number + 1)
        rows = [
            PartitionRecord(
                topic_id, index, replicas=[0], isr=[0], leader=0, leader_epoch=0, partition_epoch=0
            )
            for index in range(PARTITIONS_PER_TOPIC)
        ]
        controller.append([TopicRecord(f"topic-{number}", topic_id), *rows])
    controller.drive()


def cut(path: PurePath) -> None:
    """Have a snapshot instead of the log."""
    controller = opened(path)
    draft = controller.draft_snapshot()
    draft.write()
    draft.publish()
    made = controller.disk.begin_cut(draft.last_offset)
    made.write()
    controller.disk.finish_cut(made, draft.size_bytes)


def replayed(path: PurePath, topics: int, what: str, rounds: int) -> Figure:
    count = topics * (PARTITIONS_PER_TOPIC + 1)
    figure = Figure(f"{count:,} metadata records replayed from {what}", "s", REPLAY_S_MAX)
    cpu_s = []
    for _ in range(rounds):
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        controller = opened(path)
        figure.samples.append(time.perf_counter() - began_s)
        cpu_s.append(time.process_time() - began_cpu_s)
        assert len(controller.committed.topics) == topics
    figure.note = f"wall clock; {min(cpu_s):.2f} s CPU"
    figure.why = WHY_REPLAY.format(cpu_s=min(cpu_s))
    return figure


def failover(directory: Path, rounds: int) -> Figure:
    """From the kill until a survivor names another controller that answers."""
    figure = Figure("another controller after kill -9", "s", FAILOVER_S_MAX)
    cluster = ClusterProcess(directory, brokers=3, base_port=free_base_port())
    try:
        cluster.wait_for("ready")
        for _ in range(rounds):
            voters = cluster.wait_for_voters(0, 1, 2)
            killed = cluster.quorum().leader_id
            others = [number for number in voters if number != killed]
            began_s = time.perf_counter()
            cluster.kill_broker(killed)
            while not another(cluster, others, killed):
                time.sleep(0.01)
            figure.samples.append(time.perf_counter() - began_s)
            cluster.wait_for(f"broker {killed} serves again")
    finally:
        cluster.stop()
    return figure


def another(cluster: ClusterProcess, others: list[int], killed: int) -> bool:
    for number in others:
        with suppress(OSError, AssertionError):
            found = cluster.quorum(number)
            if found is not None and found.leader_id not in (killed, -1):
                return True
    return False
