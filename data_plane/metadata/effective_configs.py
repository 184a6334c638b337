"""What a config key is worth for one topic or broker, and where each candidate value comes from.

A topic's own override wins over this broker's, over the cluster's default, over the static
settings the process was started with, over the catalogue's default (KIP-226).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from data_plane.metadata.config_keys import ConfigKey, ConfigSource, UpdateMode
from data_plane.metadata.configs import BROKER_CONFIGS, TOPIC_CONFIGS
from data_plane.metadata.group_configs import GROUP_CONFIGS
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import InvalidConfig


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that a key could have: the first of a list is in force."""

    name: str
    value: str | None
    source: ConfigSource


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One key as DescribeConfigs shows it; `candidates` is never empty, the first is in force."""

    key: ConfigKey
    candidates: tuple[Candidate, ...]
    is_read_only: bool = False

    @property
    def value(self) -> str | None:
        return self.candidates[0].value

    @property
    def source(self) -> ConfigSource:
        return self.candidates[0].source


@dataclass(frozen=True, slots=True)
class ConfigScope:
    """Whose eyes configs are read with: one image, one broker, its static settings."""

    image: MetadataImage
    broker_id: int
    static: Mapping[str, str]

    def broker_candidates(self, key: ConfigKey) -> tuple[Candidate, ...]:
        """Return all values of a broker key, the one in force first."""
        layers = (
            (self.image.broker_configs(self.broker_id), ConfigSource.DYNAMIC_BROKER),
            (self.image.broker_configs(None), ConfigSource.DYNAMIC_DEFAULT_BROKER),
            (self.static, ConfigSource.STATIC_BROKER),
        )
        found = [
            Candidate(key.name, layer[key.name], source)
            for layer, source in layers
            if key.name in layer
        ]
        return (*found, Candidate(key.name, key.default, ConfigSource.DEFAULT))

    def topic_candidates(
        self, key: ConfigKey, overrides: Mapping[str, str]
    ) -> tuple[Candidate, ...]:
        """Return all values of a topic key, the one in force first."""
        return self._under_brokers(key, overrides, ConfigSource.TOPIC)

    def group_candidates(
        self, key: ConfigKey, overrides: Mapping[str, str]
    ) -> tuple[Candidate, ...]:
        """Return all values of a consumer group's key, the one in force first."""
        return self._under_brokers(key, overrides, ConfigSource.GROUP)

    def _under_brokers(
        self, key: ConfigKey, overrides: Mapping[str, str], source: ConfigSource
    ) -> tuple[Candidate, ...]:
        own = (Candidate(key.name, overrides[key.name], source),) if key.name in overrides else ()
        if key.broker_key is None:
            return (*own, Candidate(key.name, key.default, ConfigSource.DEFAULT))
        return own + self.broker_candidates(BROKER_CONFIGS[key.broker_key])

    def topic_rows(self, overrides: Mapping[str, str]) -> list[ConfigRow]:
        return [
            ConfigRow(key, self.topic_candidates(key, overrides)) for key in TOPIC_CONFIGS.values()
        ]

    def group_rows(self, overrides: Mapping[str, str]) -> list[ConfigRow]:
        return [
            ConfigRow(key, self.group_candidates(key, overrides)) for key in GROUP_CONFIGS.values()
        ]

    def broker_rows(self) -> list[ConfigRow]:
        return [
            ConfigRow(key, self.broker_candidates(key), key.update is UpdateMode.READ_ONLY)
            for key in BROKER_CONFIGS.values()
        ]

    def cluster_default_rows(self) -> list[ConfigRow]:
        """Only what is set: the resource "" has no other keys (KIP-226)."""
        return [
            ConfigRow(
                BROKER_CONFIGS[name],
                (Candidate(name, value, ConfigSource.DYNAMIC_DEFAULT_BROKER),),
            )
            for name, value in sorted(self.image.broker_configs(None).items())
        ]

    def topic_values(self, overrides: Mapping[str, str]) -> dict[str, str]:
        """Return every topic key's value in force, as text."""
        return {row.key.name: row.value or "" for row in self.topic_rows(overrides)}


def check_topic_configs(configs: Mapping[str, str | None]) -> None:
    """Raise InvalidConfig for an unknown key, a null or a value that does not parse."""
    for name, value in configs.items():
        key = TOPIC_CONFIGS.get(name)
        if key is None:
            raise InvalidConfig(f"Unknown topic config name: {name}")
        if value is None:
            raise InvalidConfig(f"Null value not supported for topic configs: {name}")
        key.parse(value)
