"""Config keys of one consumer group (resource type 32, KIP-848); the broker's give the defaults."""

from typing import Final

from data_plane.metadata.config_keys import ConfigKey, ConfigType, between, catalogue

HEARTBEAT_INTERVAL: Final = "consumer.heartbeat.interval.ms"
SESSION_TIMEOUT: Final = "consumer.session.timeout.ms"

# Bounds are Kafka's: group.consumer.{min,max}.heartbeat.interval.ms and ...session.timeout.ms.
GROUP_CONFIGS: Final = catalogue(
    (
        ConfigKey(
            HEARTBEAT_INTERVAL,
            ConfigType.INT,
            "5000",
            "How often members of this group are told to send heartbeats",
            between(5_000, 15_000),
            broker_key="group.consumer.heartbeat.interval.ms",
        ),
        ConfigKey(
            SESSION_TIMEOUT,
            ConfigType.INT,
            "45000",
            "How long a member of this group may be silent",
            between(45_000, 60_000),
            broker_key="group.consumer.session.timeout.ms",
        ),
    )
)
