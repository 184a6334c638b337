"""Mutated frames over real sockets to a real broker process (reliability.md F1)."""

import os
import random
import signal
import socket
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz.corpus import TOPICS, deep, frames
from tests.fuzz.mutators import mutated
from tests.fuzz.watch import GROWTH_BYTES_MAX, Tell, resident_bytes, silent
from tests.integration.data_plane.broker_process import ROOT, read_line
from tests.integration.data_plane.kafka_clients import create_topic

API_VERSIONS_V0 = bytes.fromhex("0000000a0012000000000001ffff")
FRAMES_PER_CONNECTION = 3  # most mutants end their connection, and what follows is not read
CONNECTIONS_PER_CHECK = 50
# Mutants of these create or delete what they may: the disk and the topics are not what is tested.
LEFT_OUT = (b"\0\x13", b"\0\x14", b"\0\x25")
LIES = (-1, -(2**31), 2**31 - 1, 100 * 1024 * 1024 + 1, 0x16030100)  # the last one: a TLS hello
SECONDS_MAX = 10.0  # a broker that takes longer to answer hangs
DRAINED_S = 0.02


class FuzzedBroker:
    """A broker process whose log goes to a file, so that no pipe fills up."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "broker.log"
        with self.log.open("w") as log:
            arguments = ["--data-dir", str(folder / "data"), "--port", "0"]
            self.process = subprocess.Popen(
                [sys.executable, "-m", "data_plane.server.main", "run", *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        line = read_line(self.process, 30)
        assert line.startswith("ready "), self.log.read_text()
        self.address = line.removeprefix("ready ").strip()
        host, _, port = self.address.rpartition(":")
        self.where = (host, int(port))

    def connect(self) -> socket.socket:
        return socket.create_connection(self.where, timeout=SECONDS_MAX)

    def check_serves(self) -> None:
        """A new client is answered, in time."""
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        with self.connect() as client:
            client.sendall(API_VERSIONS_V0)
            assert client.recv(10)[4:10] == bytes.fromhex("000000010000")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.end()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def faults(self) -> list[str]:
        """What the broker itself calls an error: a closed connection is a warning."""
        return [line for line in self.log.read_text().splitlines() if "level=ERROR" in line]


@contextmanager
def running(folder: Path) -> Iterator[FuzzedBroker]:
    broker = FuzzedBroker(folder)
    try:
        yield broker
    finally:
        broker.end()


def run(count: int, seed: int, folder: Path, tell: Tell = silent) -> Counter[str]:
    """Feed `count` frames; return how the connections ended. Raises AssertionError."""
    rng = random.Random(seed)
    golden, deep_ones = frames(), list(deep())
    whole = golden + deep_ones * max(1, len(golden) // len(deep_ones))
    corpus = [frame for frame in whole if frame[:2] not in LEFT_OUT]
    outcomes: Counter[str] = Counter()
    warm_bytes = 0
    with running(folder) as broker:
        for topic in TOPICS:
            create_topic(broker.address, topic)
        while outcomes["frames"] < count:
            sent = one_connection(rng, broker, corpus)
            outcomes += sent
            tell(sent["frames"])
            if outcomes["connections"] % CONNECTIONS_PER_CHECK == 0:
                broker.check_serves()
                warm_bytes = warm_bytes or resident_bytes(broker.process.pid)
        broker.check_serves()
        grown_bytes = resident_bytes(broker.process.pid) - (warm_bytes or 1 << 40)
        assert grown_bytes <= GROWTH_BYTES_MAX, f"{grown_bytes} bytes more"
        assert broker.stop() == 0
        assert not broker.faults(), broker.faults()[:5]
    return outcomes


def one_connection(
    rng: random.Random, broker: FuzzedBroker, corpus: Sequence[bytes]
) -> Counter[str]:
    """Some frames, whole or lying about their size, in one go; then read until the end."""
    outcomes = Counter(connections=1)
    sent = bytearray()
    for _ in range(FRAMES_PER_CONNECTION):
        frame = mutated(rng, rng.choice(corpus), corpus)
        size = len(frame) if rng.random() < 0.97 else rng.choice(LIES)
        sent += struct.pack(">i", size) + frame
        outcomes["frames"] += 1
    with broker.connect() as client:
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                outcomes["answered"] += 1
        except OSError:  # Reset while we were sending: the broker had enough of it.
            outcomes["reset"] += 1
    return outcomes
