"""A real `ottla-broker cluster`, and what a test asks of its quorum."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import nullcontext, suppress
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from data_plane.protocol.headers import RequestHeader, encode_request_header, read_response_header
from data_plane.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumRequestPartition,
    DescribeQuorumRequestTopic,
    DescribeQuorumResponse,
)
from data_plane.protocol.schema import decode, encode
from tests.integration.data_plane.broker_process import ROOT, RawClient, wait_until

SECONDS_MAX = 60.0
PORTS_APART = 16  # of two processes with neighbouring ids
PORTS_FROM, PORTS_TO = 20_000, 32_000  # below those that outgoing connections are given


class ClusterProcess:
    """Its lines are read as they come; `wait_for` waits for one of them."""

    def __init__(
        self,
        data_dir: Path,
        *more: str,
        brokers: int,
        base_port: int,
        log: Path | None = None,
    ) -> None:
        """more: options. log: where the brokers' stderr goes, if not to ours."""
        self.base_port = base_port
        self.data_dir = data_dir
        self.brokers = brokers
        self.process = start(data_dir, *more, brokers=brokers, base_port=base_port, log=log)
        self._lines: Queue[str] = Queue()
        self._seen: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.strip())
        self._lines.put("")

    def wait_for(self, text: str, seconds_max: float = SECONDS_MAX) -> str:
        """The next line that contains `text`."""
        while True:
            try:
                line = self._lines.get(timeout=seconds_max)
            except Empty as error:
                raise AssertionError(f"no {text!r} behind {self._seen}") from error
            self._seen.append(line)
            if text in line:
                return line
            assert line, f"the cluster ended without {text!r}: {self._seen}"

    @property
    def addresses(self) -> str:
        return ",".join(f"127.0.0.1:{self.base_port + at}" for at in range(3))

    def broker_pid(self, broker_id: int) -> int:
        """The process that runs a broker now, found among the supervisor's children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        name = f"broker-{broker_id}.json"
        for text in children.read_text().split():
            with suppress(OSError):
                if name in Path(f"/proc/{text}/cmdline").read_text():
                    return int(text)
        raise AssertionError(f"broker {broker_id} has no process")

    def kill_broker(self, broker_id: int) -> None:
        os.kill(self.broker_pid(broker_id), signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=2 * SECONDS_MAX)
        self._reader.join(timeout=SECONDS_MAX)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def quorum(self, broker_id: int = 0) -> Any:
        """What DescribeQuorum answers on a broker about the metadata partition, None if refused."""
        partition = DescribeQuorumRequestPartition(0)
        topic = DescribeQuorumRequestTopic("__cluster_metadata", [partition])
        request = encode(DescribeQuorumRequest([topic]), 2)
        header = encode_request_header(RequestHeader(55, 2, 1, "test"))
        with RawClient("127.0.0.1", self.base_port + broker_id) as client:
            client.send(header + request)
            answer = client.receive()
        _, at = read_response_header(55, 2, answer)
        response = decode(DescribeQuorumResponse, 2, answer[at:])
        return None if response.error_code else response.topics[0].partitions[0]

    def voters(self, broker_id: int = 0) -> dict[int, str]:
        """Directory ids of the voters by broker id; empty while nobody can tell."""
        with suppress(OSError, AssertionError):
            found = self.quorum(broker_id)
            if found is not None:
                return {
                    one.replica_id: str(one.replica_directory_id) for one in found.current_voters
                }
        return {}

    def wait_for_voters(self, *broker_ids: int) -> dict[int, str]:
        wait_until(lambda: self.voters().keys() == set(broker_ids), f"voters {broker_ids}")
        return self.voters()


def start(
    data_dir: Path, *more: str, brokers: int, base_port: int, log: Path | None = None
) -> "subprocess.Popen[str]":
    with nullcontext() if log is None else log.open("ab") as errors:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "data_plane.server.main", "cluster"),
                *("--data-dir", str(data_dir), "--brokers", str(brokers)),
                *("--base-port", str(base_port), *more),
            ],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )


def free_base_port(count: int = 3) -> int:
    """The first of so many ports in a row that were free a moment ago."""
    start_at: int = PORTS_FROM + os.getpid() * PORTS_APART % (PORTS_TO - PORTS_FROM)
    bases: list[int] = [*range(start_at, PORTS_TO, count), *range(PORTS_FROM, start_at, count)]
    for base in bases:
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise AssertionError("no free ports")
