"""Everything a broker is told at its start, and every limit it keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from data_plane.metadata.features import NEWEST_LEVEL


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """Files of a TLS listener, PEM. Client certificates must chain to `client_ca_file`."""

    certificate_file: Path
    key_file: Path
    client_ca_file: Path | None = None  # None: no certificate is asked for; needs `sasl` then


@dataclass(frozen=True, slots=True)
class SaslConfig:
    """How clients of a listener prove who they are; its principals are `User:<name>`."""

    mechanisms: tuple[str, ...]  # Kafka's names, as in security.scram.MECHANISMS


@dataclass(frozen=True, slots=True)
class ListenerConfig:
    """One listening socket; `advertised_*` is what clients are told (durability.md 8)."""

    name: str
    bind: str = "127.0.0.1"
    port: int = 0  # 0: any free port
    advertised_host: str = ""  # empty: the bound address
    advertised_port: int = 0  # 0: the bound port
    tls: TlsConfig | None = None  # None: plaintext, allowed on loopback only
    sasl: SaslConfig | None = None  # None: the certificate tells who it is, or nothing does
    connections_per_s_max: int | None = None  # None: as many as the broker takes in all


@dataclass(frozen=True, slots=True)
class PeerListenerConfig:
    """Where other brokers of the cluster come in; never told to clients.

    address: `unix:PATH` among brokers of one node, whose processes prove who runs them, or
    `HOST:PORT` between nodes, which needs `tls`: both ends show a broker's certificate then.
    advertised: what the others are told; empty: `address`.
    """

    address: str
    advertised: str = ""
    tls: TlsConfig | None = None

    @property
    def reached_at(self) -> str:
        return self.advertised or self.address


@dataclass(frozen=True, slots=True)
class InitialVoter:
    """One of those who form a new cluster; each is told of all of them in the same words."""

    broker_id: int
    directory_id: UUID
    quorum_address: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Nothing in the broker grows without one of these."""

    frame_bytes_max: int = 100 * 1024 * 1024  # socket.request.max.bytes
    unauthenticated_frame_bytes_max: int = 64 * 1024
    unauthenticated_requests_max: int = 16  # a handshake and an exchange need four
    authentication_ms_max: int = 30_000
    failed_authentication_delay_ms: int = 100  # connection.failed.authentication.delay.ms
    connections_max: int = 20_000
    inflight_produces_max: int = 64  # per connection
    inflight_produce_bytes_max: int = 32 * 1024 * 1024  # per connection
    fetch_bytes_max: int = 55 * 1024 * 1024  # fetch.max.bytes of the broker
    slice_bytes_max: int = 256 * 1024  # sent per connection and turn
    write_buffer_bytes_max: int = 64 * 1024  # what the client has not taken; above it: wait
    write_buffer_bytes_low: int = 16 * 1024
    response_bytes_max: int = 256 * 1024 * 1024  # held for all clients together
    stalled_ms_max: int = 5_000  # a client that takes nothing, while others need the room
    # As long as clients wait themselves (librdkafka and Java 30 s): a JVM that is starved of
    # computing time needs more than ten for its first, and hung up on it has to begin anew.
    handshake_ms_max: int = 30_000
    handshakes_max: int = 256  # TLS handshakes under way
    handshakes_waiting_max: int = 4_096
    turn_bytes_max: int = 1024 * 1024  # per connection and turn, then others get theirs
    fetch_wait_ms_max: int = 10 * 60 * 1000
    # Beyond it the metadata log becomes a snapshot; 40,000 records or so, replayed in a second.
    metadata_log_bytes_max: int = 4 * 1024 * 1024
    metadata_cache_bytes_max: int = 32 * 1024 * 1024  # topics in wire form; then begun anew
    fetch_sessions_max: int = 1_000  # max.incremental.fetch.session.cache.slots
    fetch_session_partitions_max: int = 200_000  # in all sessions together


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    data_dir: Path
    broker_id: int = 0
    cluster_id: str = ""  # empty: the data directory's, or a new one
    node_id: str = "local"  # the machine; replicas on one node share its fate
    rack: str | None = None  # the zone; None: the node
    listeners: tuple[ListenerConfig, ...] = (ListenerConfig("PLAINTEXT"),)
    super_users: frozenset[str] = frozenset()
    metrics_port: int | None = None  # loopback only; 0: any free port; None: no endpoint
    disk_bytes_max: int | None = None  # the plan's share of the disk; None: the whole disk
    auto_create_topics: bool = False
    default_partitions: int = 1
    static_configs: Mapping[str, str] = field(default_factory=dict)  # by Kafka's names
    limits: Limits = Limits()
    # A broker among others has both; one alone neither.
    internal_listener: PeerListenerConfig | None = None
    quorum_listener: PeerListenerConfig | None = None
    initial_voters: tuple[InitialVoter, ...] = ()  # heeded by an empty data directory only
    join: tuple[str, ...] = ()  # quorum addresses of a cluster to become a part of
    spec_broker_count: int = 1  # how many brokers the cluster shall have, this one included
    directory_id: UUID | None = None  # given to a new data directory; None: a random one
    ottla_version_max: int = NEWEST_LEVEL  # less: as older software, for tests of upgrades

    @property
    def is_clustered(self) -> bool:
        return self.quorum_listener is not None
