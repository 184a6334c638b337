"""Three real broker processes of one cluster, on three machines as far as they know."""

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.framing import frame
from data_plane.protocol.headers import (
    RequestHeader,
    encode_request_header,
    read_response_header,
)
from data_plane.protocol.messages.metadata import MetadataRequest
from data_plane.protocol.schema import decode, encode, info_of
from tests.integration.data_plane.broker_process import BrokerProcess, free_port

BROKERS = (0, 1, 2)
APART_SECONDS = 0.02


class Trio:
    """Brokers 0, 1, 2 with ports of their own, which they keep over restarts."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        self.folder = folder
        self.fields = fields
        self.ports = {each: free_port() for each in BROKERS}
        self.directories = {each: str(UUID(int=1_000 + each)) for each in BROKERS}
        self.processes: dict[int, BrokerProcess] = {}

    def start(self) -> None:
        """All at once: none is ready before a majority has met."""
        waiting = {each: StartingBroker("--config", str(self.config(each))) for each in BROKERS}
        for each, process in waiting.items():
            process.finish()
            self.processes[each] = process

    def restart(self, broker_id: int) -> None:
        path = str(self.config(broker_id))
        self.processes[broker_id] = BrokerProcess("--config", path, port=None)

    def stop(self) -> list[int]:
        """SIGTERM to each in turn; the exit codes."""
        return [each.stop() for each in self.processes.values()]

    def stop_at_once(self, last: int) -> list[int]:
        """SIGTERM to all within a moment, as a loop of a shell does it; the exit codes.

        Told the least bit later than the others, `last` wishes to stop when they do already.
        """
        for broker_id in sorted(BROKERS, key=lambda each: each == last):
            self.processes[broker_id].process.send_signal(signal.SIGTERM)
            time.sleep(APART_SECONDS)
        return [each.ended() for each in self.processes.values()]

    @property
    def addresses(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports.values())

    def data_dir(self, broker_id: int) -> Path:
        return self.folder / f"broker-{broker_id}"

    def lose_directory(self, broker_id: int) -> str:
        """Of a broker that is stopped: it comes back with another one; the id that is gone."""
        shutil.rmtree(self.data_dir(broker_id))
        lost, self.directories[broker_id] = self.directories[broker_id], str(uuid4())
        return lost

    def config(self, broker_id: int) -> Path:
        sockets = self.folder / "s"
        sockets.mkdir(exist_ok=True)
        voters = [
            {
                "broker_id": each,
                "directory_id": str(UUID(int=1_000 + each)),
                "quorum_address": f"unix:{sockets}/q{each}",
            }
            for each in BROKERS
        ]
        document = {
            "data_dir": str(self.data_dir(broker_id)),
            "broker_id": broker_id,
            "cluster_id": "trio",
            "node_id": f"node-{broker_id}",
            "listeners": [
                {"name": "PLAINTEXT", "bind": "127.0.0.1", "port": self.ports[broker_id]}
            ],
            "super_users": ["User:ANONYMOUS"],
            "internal_listener": {"address": f"unix:{sockets}/i{broker_id}"},
            "quorum_listener": {"address": f"unix:{sockets}/q{broker_id}"},
            "initial_voters": voters,
            "directory_id": self.directories[broker_id],
            "spec_broker_count": len(BROKERS),
            **self.fields,
        }
        path = self.folder / f"broker-{broker_id}.json"
        path.write_text(json.dumps(document))
        return path

    def ask(self, broker_id: int, request: object, version: int | None = None) -> Any:
        """One request to one broker, and its answer."""
        key = info_of(type(request)).api_key
        version = API_KEYS[key].versions[-1] if version is None else version
        head = encode_request_header(RequestHeader(key, version, 7, "trio"))
        with self.processes[broker_id].connect() as client:
            client.socket.settimeout(60)
            client.socket.sendall(frame(head, encode(request, version)))
            body = client.receive()
        _, at = read_response_header(key, version, body)
        return decode(API_KEYS[key].response, version, body[at:])

    def controller_id(self, broker_id: int = 0) -> int:
        response = self.ask(broker_id, MetadataRequest(topics=[]))
        found: int = response.controller_id
        return found


class StartingBroker(BrokerProcess):
    """Started, and not waited for yet."""

    def __init__(self, *arguments: str) -> None:
        self._seconds_max = 0.0
        super().__init__(*arguments, port=None)

    def _await_ready(self, seconds_max: float) -> str:
        self._seconds_max = seconds_max
        return "unknown:0"

    def finish(self) -> None:
        self.address = super()._await_ready(self._seconds_max)
        self.host, _, port = self.address.rpartition(":")
        self.port = int(port)
