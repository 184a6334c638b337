"""What differs between our broker and Apache Kafka; the rest is done over the Kafka protocol."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol

from data_plane.agent.ports import BrokerPorts
from data_plane.agent.storage import BrokerStorage
from data_plane.contract.spec import BrokerSpec, ClusterSpec


@dataclass(frozen=True, slots=True)
class PeerPlace:
    """What a broker among others has of its own on this node."""

    node_id: str
    directory_id: str  # UUID text, for the data directory's first format
    sockets: Path  # a private directory for the socket files, where the peers are all on this node


@dataclass(frozen=True, slots=True)
class BrokerPlace:
    """Where one broker runs on this node: what the spec leaves to the agent."""

    storage: BrokerStorage
    ports: BrokerPorts
    bind_host: str
    peers: PeerPlace | None = None  # None: it is the whole cluster


@dataclass(frozen=True, slots=True)
class Reading:
    """One value a broker's process gives; the agent adds cluster, time and sequence."""

    name: str  # a key of metric_names.METRICS
    value: float
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """What a process said when it was asked whether it serves."""

    has_answered: bool = False  # anything at all: it lives
    is_ready: bool = False
    version: str = ""  # of the software that it runs; empty where it did not say


SILENCE = Probe()


class Engine(Protocol):
    @property
    def reloaded(self) -> frozenset[PurePath]:
        """The files that a running process reads anew at SIGHUP; the others need a restart."""

    @property
    def software_version(self) -> str:
        """What a process that is started now runs."""

    def files(
        self, cluster: ClusterSpec, broker: BrokerSpec, key_pem: bytes, place: BrokerPlace
    ) -> Mapping[PurePath, bytes]:
        """Every file the process needs, by path under its config directory, in full.

        Same arguments, same bytes: a difference is what restarts a broker, or has it reload.
        """

    def stop_of_all(self, storage: BrokerStorage) -> signal.Signals:
        """What stops its process when all brokers of this node stop.

        Where those are the whole cluster nobody is left to hand over to.
        """

    def argv(self, place: BrokerPlace) -> Sequence[str]:
        """The command line. It holds `marker`, and nothing secret."""

    def marker(self, storage: BrokerStorage) -> str:
        """The word of the command line by which the process is known again."""

    def formatted_as(self, storage: BrokerStorage) -> str | None:
        """The id that its data directory says; None if it is not there or was never written to."""

    async def probe(self, place: BrokerPlace) -> Probe:
        """Ask the process whether it serves. Never raises: no answer is an answer."""

    async def readings(self, place: BrokerPlace, pid: int) -> Sequence[Reading]:
        """What it counts, by the names of the catalogue; empty where it does not answer."""


def config_file(storage: BrokerStorage, name: str) -> Path:
    return storage.config / name
