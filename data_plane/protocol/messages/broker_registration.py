"""BrokerRegistration (key 62) v4, flexible, between brokers.

The tagged fields are ours: the machine, the kind of restart, and how many brokers the cluster
shall have (durability.md 3, 9).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import (
    int8,
    int16,
    int32,
    int64,
    request,
    response,
    tagged,
    uint16,
    uuid,
)

OWN_TAGS = 10_000  # Far from the tags that Kafka may give out.


@dataclass(frozen=True, slots=True)
class BrokerRegistrationRequestListener:
    """Where one listener is reached; a host `unix:<path>` has no port."""

    name: str
    host: str
    port: uint16 = 0
    security_protocol: int16 = 0


@dataclass(frozen=True, slots=True)
class BrokerRegistrationRequestFeature:
    """A feature and the levels this broker implements."""

    name: str
    min_supported_version: int16
    max_supported_version: int16


@request(api_key=62, versions=range(4, 5), flexible_from=4)
@dataclass(frozen=True, slots=True)
class BrokerRegistrationRequest:
    """A new incarnation asks to be taken in."""

    broker_id: int32
    cluster_id: str
    incarnation_id: uuid
    listeners: Sequence[BrokerRegistrationRequestListener] = ()
    features: Sequence[BrokerRegistrationRequestFeature] = ()
    rack: str | None = None
    is_migrating_zk_broker: bool = False
    log_dirs: Sequence[uuid] = ()  # one: the directory id
    previous_broker_epoch: int64 = -1
    node_id: str = tagged(OWN_TAGS, since=4, default="")
    restart_kind: int8 = tagged(OWN_TAGS + 1, since=4, default=0)  # metadata.records.RestartKind
    spec_broker_count: int32 = tagged(OWN_TAGS + 2, since=4, default=1)


@response(api_key=62, versions=range(4, 5), flexible_from=4)
@dataclass(frozen=True, slots=True)
class BrokerRegistrationResponse:
    """The epoch of the incarnation."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    broker_epoch: int64 = -1
