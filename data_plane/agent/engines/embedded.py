"""The embedded engine: our own broker, one process per broker id."""

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import psutil

from data_plane.agent.engines.base import SILENCE, BrokerPlace, PeerPlace, Probe, Reading
from data_plane.agent.engines.prometheus import readings_from_text
from data_plane.agent.loopback_http import Declined, Unanswered, get
from data_plane.agent.ports import LOOPBACK
from data_plane.agent.software import own_version
from data_plane.agent.storage import BrokerStorage, read_json
from data_plane.contract.spec import BrokerSpec, ClusterSpec, MemberSpec

CONFIG = PurePath("broker.json")
CERTIFICATE = PurePath("server.crt")
KEY = PurePath("server.key")
CLIENT_CA = PurePath("client_ca.crt")
IDENTITY = PurePath("meta.json")  # the first file that a broker writes to its data directory


class EmbeddedEngine:
    """Runs `data_plane.server.main run --config FILE`; asks it over loopback HTTP."""

    reloaded = frozenset({CERTIFICATE, KEY, CLIENT_CA})

    @property
    def software_version(self) -> str:
        return own_version()

    def files(
        self, cluster: ClusterSpec, broker: BrokerSpec, key_pem: bytes, place: BrokerPlace
    ) -> Mapping[PurePath, bytes]:
        config = {
            "broker_id": broker.broker_id,
            "cluster_id": cluster.cluster_id,
            "data_dir": str(place.storage.data),
            "rack": broker.rack,
            "listeners": self._listeners(cluster, broker, place),
            "super_users": sorted({cluster.admin_principal, *cluster.admin_principals} - {""}),
            "metrics_port": place.ports.metrics,
            "disk_bytes_max": cluster.disk_bytes_max,
            "static_configs": cluster.broker_configs,
        }
        if place.peers is not None:
            config |= _among_peers(cluster, broker.broker_id, place, place.peers)
        return {
            CERTIFICATE: broker.certificate_pem.encode(),
            KEY: key_pem,
            CLIENT_CA: cluster.trusted_ca_pem.encode(),
            CONFIG: json.dumps(config, indent=1, sort_keys=True).encode(),
        }

    def _listeners(
        self, cluster: ClusterSpec, broker: BrokerSpec, place: BrokerPlace
    ) -> list[dict[str, object]]:
        """CLIENT for clients, by the name they know; AGENT on loopback, whatever that name is.

        The agent must reach the broker even where the advertised name leads elsewhere (a router,
        a name that only clients resolve): Metadata answers per listener (durability.md 8). In a
        cluster over several nodes that name leads here, as the peers use it too; and an agent is
        told of the other nodes' brokers, which no loopback address reaches.
        """
        tls = _tls_files(place.storage)
        is_spread = place.peers is not None and cluster.peers == "tls"
        return [
            {
                "name": "CLIENT",
                "bind": place.bind_host,
                "port": place.ports.client,
                "advertised_host": broker.advertised_host,
                "advertised_port": place.ports.client,
                "tls": tls,
            },
            {
                "name": "AGENT",
                "bind": place.bind_host if is_spread else LOOPBACK,
                "port": place.ports.admin,
                "advertised_host": broker.advertised_host if is_spread else LOOPBACK,
                "advertised_port": place.ports.admin,
                "tls": tls,
            },
        ]

    def stop_of_all(self, storage: BrokerStorage) -> signal.Signals:
        """A cluster whose brokers talk by socket files is here as a whole."""
        config = read_json(storage.config / CONFIG) or {}
        listener = config.get("internal_listener")
        address = str(listener.get("address", "")) if isinstance(listener, dict) else ""
        return signal.SIGUSR1 if address.startswith("unix:") else signal.SIGTERM

    def argv(self, place: BrokerPlace) -> Sequence[str]:
        module = "data_plane.server.main"
        return [sys.executable, "-m", module, "run", "--config", self.marker(place.storage)]

    def marker(self, storage: BrokerStorage) -> str:
        return str(storage.config / CONFIG)

    def formatted_as(self, storage: BrokerStorage) -> str | None:
        path = storage.data / IDENTITY
        if not path.exists():
            return None
        return str((read_json(path) or {}).get("directory_id", ""))

    async def probe(self, place: BrokerPlace) -> Probe:
        try:
            said = await get(place.ports.metrics, "/ready")
        except Declined:
            return Probe(has_answered=True)
        except Unanswered:
            return SILENCE
        _, _, version = said.strip().partition(" ")
        return Probe(has_answered=True, is_ready=True, version=version)

    async def readings(self, place: BrokerPlace, pid: int) -> Sequence[Reading]:
        try:
            text = await get(place.ports.metrics, "/metrics")
        except Unanswered:
            return ()
        readings = readings_from_text(text)
        if not any(reading.name == "resident_bytes" for reading in readings):
            readings.extend(_resident_bytes(pid))
        return readings


def _among_peers(
    cluster: ClusterSpec, broker_id: int, place: BrokerPlace, peers: PeerPlace
) -> dict[str, object]:
    """What only a broker among others needs. The first voters are the same in every file, always:

    with them an empty directory begins, and nobody else asks; so no change of the voters later on
    restarts a broker. A cluster that grew out of one broker has none: an empty directory then
    joins what is there, as it does where a first voter has been moved.
    """
    by_id = {member.broker_id: member for member in cluster.members}

    def quorum_address(member: MemberSpec) -> str:
        if cluster.peers == "tls":
            return _address(member.host, member.quorum_port)
        return _socket(peers, "quorum", member.broker_id)

    def listener(kind: str, port: int) -> dict[str, object]:
        if cluster.peers != "tls":
            return {"address": _socket(peers, kind, broker_id)}
        return {
            "address": _address(place.bind_host, port),
            "advertised": _address(by_id[broker_id].host, port),
            "tls": _tls_files(place.storage),
        }

    first_voters = [member for member in cluster.members if member.is_first_voter]
    others = [
        one
        for one in cluster.members
        if one.broker_id != broker_id and (one.formed_as or not first_voters)
    ]
    return {
        "node_id": peers.node_id,
        "directory_id": peers.directory_id,
        "spec_broker_count": len(cluster.members),
        "internal_listener": listener("internal", place.ports.internal),
        "quorum_listener": listener("quorum", place.ports.quorum),
        "initial_voters": [
            {
                "broker_id": member.broker_id,
                "directory_id": (member.formed_as or member).directory_id,
                "quorum_address": _address(member.formed_as.host, member.formed_as.quorum_port)
                if member.formed_as
                else quorum_address(member),
            }
            for member in first_voters
        ],
        "join": [quorum_address(one) for one in others if one.quorum_port or not one.host],
    }


def _socket(peers: PeerPlace, kind: str, broker_id: int) -> str:
    return f"unix:{peers.sockets / kind}-{broker_id}.sock"


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _tls_files(storage: BrokerStorage) -> dict[str, str]:
    return {
        "certificate_file": str(storage.config / CERTIFICATE),
        "key_file": str(storage.config / KEY),
        "client_ca_file": str(storage.config / CLIENT_CA),
    }


def _resident_bytes(pid: int) -> list[Reading]:
    try:
        return [Reading("resident_bytes", float(psutil.Process(pid).memory_info().rss))]
    except psutil.Error:
        return []  # it has just ended
