"""Limits and times of the group coordinator, under Kafka's names."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from data_plane.metadata.group_configs import HEARTBEAT_INTERVAL, SESSION_TIMEOUT

DAY_MS = 24 * 60 * 60 * 1000


class MigrationPolicy(StrEnum):
    """group.consumer.migration.policy: may a living group go over to the other protocol?"""

    DISABLED = "disabled"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    BIDIRECTIONAL = "bidirectional"

    @property
    def allows_upgrade(self) -> bool:
        return self in (MigrationPolicy.UPGRADE, MigrationPolicy.BIDIRECTIONAL)

    @property
    def allows_downgrade(self) -> bool:
        return self in (MigrationPolicy.DOWNGRADE, MigrationPolicy.BIDIRECTIONAL)


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """Every limit of groups and committed offsets; defaults are Kafka's where Kafka has one."""

    initial_rebalance_delay_ms: int = 3_000  # group.initial.rebalance.delay.ms
    session_timeout_ms_min: int = 6_000  # group.min.session.timeout.ms
    session_timeout_ms_max: int = 1_800_000  # group.max.session.timeout.ms
    group_size_max: int = 1_000  # group.max.size; Kafka's own default is no limit at all
    # One member's metadata over all its protocols, and one group's journal record: without them a
    # client could fill the broker's memory, or write a record that no reader takes.
    member_metadata_bytes_max: int = 1024 * 1024
    group_record_bytes_max: int = 8 * 1024 * 1024
    new_member_join_timeout_ms: int = 300_000  # a first JoinGroup whose client may be gone
    consumer_session_timeout_ms: int = 45_000  # group.consumer.session.timeout.ms, KIP-848
    consumer_heartbeat_interval_ms: int = 5_000  # group.consumer.heartbeat.interval.ms
    consumer_group_size_max: int = 1_000  # group.consumer.max.size; no limit at all in Kafka
    consumer_assignors: tuple[str, ...] = ("uniform", "range")  # group.consumer.assignors
    migration_policy: MigrationPolicy = MigrationPolicy.BIDIRECTIONAL
    offset_metadata_chars_max: int = 4_096  # offset.metadata.max.bytes, which counts characters
    offsets_retention_ms: int = 7 * DAY_MS  # offsets.retention.minutes, KIP-211
    offsets_check_interval_ms: int = 600_000  # offsets.retention.check.interval.ms
    expired_records_max: int = 5_000  # tombstones per turn: a long list must not stop the loop

    def under(self, overrides: Mapping[str, str]) -> "GroupConfig":
        """The same with what one group has set for itself (metadata/group_configs.py)."""
        if not overrides:
            return self
        interval_ms = overrides.get(HEARTBEAT_INTERVAL, self.consumer_heartbeat_interval_ms)
        session_ms = overrides.get(SESSION_TIMEOUT, self.consumer_session_timeout_ms)
        return replace(
            self,
            consumer_heartbeat_interval_ms=int(interval_ms),
            consumer_session_timeout_ms=int(session_ms),
        )
