"""Config keys of one consumer group (resource type 32, KIP-848); the broker's give the defaults."""

from typing import Final

from data_plane.metadata.config_keys import ConfigKey, ConfigType, at_least, catalogue

HEARTBEAT_INTERVAL: Final = "consumer.heartbeat.interval.ms"
SESSION_TIMEOUT: Final = "consumer.session.timeout.ms"

GROUP_CONFIGS: Final = catalogue(
    (
        ConfigKey(
            HEARTBEAT_INTERVAL,
            ConfigType.INT,
            "5000",
            "How often members of this group are told to send heartbeats",
            at_least(1),
            broker_key="group.consumer.heartbeat.interval.ms",
        ),
        ConfigKey(
            SESSION_TIMEOUT,
            ConfigType.INT,
            "45000",
            "How long a member of this group may be silent",
            at_least(1),
            broker_key="group.consumer.session.timeout.ms",
        ),
    )
)

# Keys of the broker between which a group may choose, the lowest and the highest.
BOUNDS: Final = {
    HEARTBEAT_INTERVAL: (
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    SESSION_TIMEOUT: (
        "group.consumer.min.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ),
}
