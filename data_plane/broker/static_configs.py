"""What a broker process was started with, by Kafka's names, as DescribeConfigs shows it."""

from collections.abc import Mapping

from data_plane.broker.config import BrokerConfig
from data_plane.metadata.configs import BROKER_CONFIGS
from data_plane.metadata.records import RegisterBrokerRecord
from data_plane.protocol.errors import InvalidConfig

# Where brokers find each other is no client's business.
HIDDEN = frozenset({"INTERNAL", "QUORUM"})


def static_configs(
    config: BrokerConfig, registration: RegisterBrokerRecord | None = None
) -> dict[str, str]:
    """Return name -> text of everything that is set; what is not has its catalogue default.

    `config.static_configs` wins over what the other fields say; `registration` knows the ports
    that were left to the system. Key files are not named here: where they are is nobody's
    business but the broker's.
    """
    own = {
        "broker.id": str(config.broker_id),
        "node.id": str(config.broker_id),
        "log.dirs": str(config.data_dir),
        "listeners": ",".join(
            _address(each.name, each.bind, each.port) for each in config.listeners
        ),
        "auto.create.topics.enable": str(config.auto_create_topics).lower(),
        "num.partitions": str(config.default_partitions),
        "socket.request.max.bytes": str(config.limits.frame_bytes_max),
        "max.connections": str(config.limits.connections_max),
        "fetch.max.bytes": str(config.limits.fetch_bytes_max),
        "super.users": ";".join(sorted(config.super_users)),
    }
    if config.rack is not None:
        own["broker.rack"] = config.rack
    if registration is not None:
        own["advertised.listeners"] = ",".join(
            _address(each.name, each.host, each.port)
            for each in registration.listeners
            if each.name not in HIDDEN
        )
    return own | dict(config.static_configs)


# What has a field of its own in BrokerConfig, which the process obeys.
FIELDS = frozenset(
    {
        "advertised.listeners",
        "broker.id",
        "broker.rack",
        "fetch.max.bytes",
        "listeners",
        "log.dirs",
        "max.connections",
        "node.id",
        "socket.request.max.bytes",
        "super.users",
    }
)


def check_static_configs(static: Mapping[str, str]) -> None:
    """Raise InvalidConfig for a setting that is unknown, does not parse or has its own field.

    A setting that would be shown by DescribeConfigs and not be in force is worse than none.
    """
    for name, value in static.items():
        key = BROKER_CONFIGS.get(name)
        if key is None:
            raise InvalidConfig(f"Unknown broker config name: {name}")
        if name in FIELDS:
            raise InvalidConfig(f"{name} is set by a field of its own")
        key.parse(value)


def _address(name: str, host: str, port: int) -> str:
    return f"{name}://{f'[{host}]' if ':' in host else host}:{port}"
