"""Limits and times of the transaction coordinator, under Kafka's names."""

from dataclasses import dataclass

from data_plane.coordinator.group_config import DAY_MS


@dataclass(frozen=True, slots=True)
class TransactionConfig:
    """Defaults are Kafka's where Kafka has one."""

    timeout_ms_max: int = 900_000  # transaction.max.timeout.ms
    id_expiration_ms: int = 7 * DAY_MS  # transactional.id.expiration.ms
    partitions_max: int = 10_000  # of one transaction: its record must stay small enough to read
    expired_max: int = 5_000  # records per turn: a long list must not stop the loop
