"""The embedded engine: our own broker, one process per broker id."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import psutil

from data_plane.agent.engines.base import BrokerPlace, PeerPlace, Reading
from data_plane.agent.engines.prometheus import readings_from_text
from data_plane.agent.loopback_http import Unanswered, get
from data_plane.agent.ports import LOOPBACK
from data_plane.agent.storage import BrokerStorage
from data_plane.contract.spec import BrokerSpec, ClusterSpec

CONFIG = PurePath("broker.json")
CERTIFICATE = PurePath("server.crt")
KEY = PurePath("server.key")
CLIENT_CA = PurePath("client_ca.crt")
IDENTITY = PurePath("meta.json")  # the first file that a broker writes to its data directory


class EmbeddedEngine:
    """Runs `data_plane.server.main run --config FILE`; asks it over loopback HTTP."""

    reloaded = frozenset({CERTIFICATE, KEY, CLIENT_CA})

    def files(
        self, cluster: ClusterSpec, broker: BrokerSpec, key_pem: bytes, place: BrokerPlace
    ) -> Mapping[PurePath, bytes]:
        config = {
            "broker_id": broker.broker_id,
            "cluster_id": cluster.cluster_id,
            "data_dir": str(place.storage.data),
            "rack": broker.rack,
            "listeners": self._listeners(broker, place),
            "super_users": [cluster.admin_principal] if cluster.admin_principal else [],
            "metrics_port": place.ports.metrics,
            "disk_bytes_max": cluster.disk_bytes_max,
            "static_configs": cluster.broker_configs,
        }
        if place.peers is not None:
            config |= _among_peers(cluster, broker.broker_id, place.peers)
        return {
            CERTIFICATE: broker.certificate_pem.encode(),
            KEY: key_pem,
            CLIENT_CA: cluster.trusted_ca_pem.encode(),
            CONFIG: json.dumps(config, indent=1, sort_keys=True).encode(),
        }

    def _listeners(self, broker: BrokerSpec, place: BrokerPlace) -> list[dict[str, object]]:
        """CLIENT for clients, by the name they know; AGENT on loopback, whatever that name is.

        The agent must reach the broker even where the advertised name leads elsewhere (a router,
        a name that only clients resolve): Metadata answers per listener (durability.md 8).
        """
        tls = {
            "certificate_file": str(place.storage.config / CERTIFICATE),
            "key_file": str(place.storage.config / KEY),
            "client_ca_file": str(place.storage.config / CLIENT_CA),
        }
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
                "bind": LOOPBACK,
                "port": place.ports.admin,
                "advertised_host": LOOPBACK,
                "advertised_port": place.ports.admin,
                "tls": tls,
            },
        ]

    def argv(self, place: BrokerPlace) -> Sequence[str]:
        module = "data_plane.server.main"
        return [sys.executable, "-m", module, "run", "--config", self.marker(place.storage)]

    def marker(self, storage: BrokerStorage) -> str:
        return str(storage.config / CONFIG)

    def is_formatted(self, storage: BrokerStorage) -> bool:
        return (storage.data / IDENTITY).exists()

    async def is_ready(self, place: BrokerPlace) -> bool:
        try:
            await get(place.ports.metrics, "/ready")
        except Unanswered:
            return False
        return True

    async def readings(self, place: BrokerPlace, pid: int) -> Sequence[Reading]:
        try:
            text = await get(place.ports.metrics, "/metrics")
        except Unanswered:
            return ()
        readings = readings_from_text(text)
        if not any(reading.name == "resident_bytes" for reading in readings):
            readings.extend(_resident_bytes(pid))
        return readings


def _among_peers(cluster: ClusterSpec, broker_id: int, peers: PeerPlace) -> dict[str, object]:
    """What only a broker among others needs. The first voters are the same in every file, always:

    with them an empty directory begins, and nobody else asks; so no change of the voters later on
    restarts a broker.
    """

    def address(listener: str, of: int) -> str:
        return f"unix:{peers.sockets / listener}-{of}.sock"

    return {
        "node_id": peers.node_id,
        "directory_id": peers.directory_id,
        "spec_broker_count": len(cluster.members),
        "internal_listener": {"address": address("internal", broker_id)},
        "quorum_listener": {"address": address("quorum", broker_id)},
        "initial_voters": [
            {
                "broker_id": member.broker_id,
                "directory_id": member.directory_id,
                "quorum_address": address("quorum", member.broker_id),
            }
            for member in cluster.members
            if member.is_first_voter
        ],
    }


def _resident_bytes(pid: int) -> list[Reading]:
    try:
        return [Reading("resident_bytes", float(psutil.Process(pid).memory_info().rss))]
    except psutil.Error:
        return []  # it has just ended
