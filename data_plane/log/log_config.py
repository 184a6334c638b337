"""The settings of one log, from a topic's configs; units in the names."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from data_plane.protocol.records import compression as codecs

UNLIMITED = -1
NEVER_MS = 2**63 - 1
DAY_MS = 86_400_000
CHECKPOINT_BYTES_MAX = 64 << 20
CHECKPOINTS = 4  # in a smaller segment: each is two files, and the end of a segment is five


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Kafka's defaults. Sizes in bytes, times in ms; retention -1 keeps for ever."""

    segment_bytes: int = 1 << 30
    segment_ms: int = 7 * DAY_MS
    index_interval_bytes: int = 4096
    index_bytes_max: int = 10 << 20  # segment.index.bytes; a full index rolls the segment
    retention_bytes: int = UNLIMITED
    retention_ms: int = 7 * DAY_MS
    message_bytes_max: int = 1_048_588
    is_log_append_time: bool = False  # message.timestamp.type
    timestamp_before_max_ms: int = NEVER_MS
    timestamp_after_max_ms: int = 3_600_000
    is_compacted: bool = False  # cleanup.policy holds "compact"
    is_deleted: bool = True  # cleanup.policy holds "delete"
    producer_id_expiration_ms: int = DAY_MS
    flush_ms: int = 1_000  # a log that commits without a sync is synced this long after a write
    compression: int | None = None  # compression.type as a codec id; None: the producer's own
    delete_retention_ms: int = DAY_MS
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = NEVER_MS
    min_cleanable_dirty_ratio: float = 0.5

    # Nothing is asked of single records, so nobody has to look at them.
    takes_any_records: bool = field(init=False)
    # Age at which a segment ends: a compacted one early enough to be cleaned in time.
    roll_ms: int = field(init=False)
    # So much of a log recovery may have to read again.
    checkpoint_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """Each append asks for what follows from the settings."""
        takes_any = not self.is_compacted and self.timestamp_before_max_ms == NEVER_MS
        object.__setattr__(self, "takes_any_records", takes_any)
        lag_ms = self.max_compaction_lag_ms if self.is_compacted else NEVER_MS
        object.__setattr__(self, "roll_ms", min(self.segment_ms, lag_ms))
        checkpoint_bytes = min(CHECKPOINT_BYTES_MAX, self.segment_bytes // CHECKPOINTS)
        object.__setattr__(self, "checkpoint_bytes", checkpoint_bytes)


def log_config_from_topic(
    configs: Mapping[str, str], defaults: LogConfig | None = None
) -> LogConfig:
    """Read a topic's effective configs, values as Kafka writes them; unknown keys are ignored.

    Raises ValueError where a number is none; the controller has validated them before.
    """
    base = LogConfig() if defaults is None else defaults

    def number(key: str, default: int) -> int:
        return int(configs.get(key, default))

    default_policy = ("compact," * base.is_compacted) + ("delete" * base.is_deleted)
    policies = {p.strip() for p in configs.get("cleanup.policy", default_policy).split(",")}
    default_type = "LogAppendTime" if base.is_log_append_time else "CreateTime"
    return LogConfig(
        segment_bytes=number("segment.bytes", base.segment_bytes),
        segment_ms=number("segment.ms", base.segment_ms),
        index_interval_bytes=number("index.interval.bytes", base.index_interval_bytes),
        index_bytes_max=number("segment.index.bytes", base.index_bytes_max),
        retention_bytes=number("retention.bytes", base.retention_bytes),
        retention_ms=number("retention.ms", base.retention_ms),
        flush_ms=number("flush.ms", base.flush_ms),
        message_bytes_max=number("max.message.bytes", base.message_bytes_max),
        is_log_append_time=configs.get("message.timestamp.type", default_type) == "LogAppendTime",
        timestamp_before_max_ms=number(
            "message.timestamp.before.max.ms", base.timestamp_before_max_ms
        ),
        timestamp_after_max_ms=number(
            "message.timestamp.after.max.ms", base.timestamp_after_max_ms
        ),
        is_compacted="compact" in policies,
        is_deleted="delete" in policies,
        producer_id_expiration_ms=number(
            "producer.id.expiration.ms", base.producer_id_expiration_ms
        ),
        compression=_codec(configs["compression.type"])
        if "compression.type" in configs
        else base.compression,
        delete_retention_ms=number("delete.retention.ms", base.delete_retention_ms),
        min_compaction_lag_ms=number("min.compaction.lag.ms", base.min_compaction_lag_ms),
        max_compaction_lag_ms=number("max.compaction.lag.ms", base.max_compaction_lag_ms),
        min_cleanable_dirty_ratio=float(
            configs.get("min.cleanable.dirty.ratio", base.min_cleanable_dirty_ratio)
        ),
    )


def _codec(name: str) -> int | None:
    """Return the codec id of a compression.type; raises ValueError for a name nobody knows."""
    if name == "producer":
        return None
    if name == "uncompressed":
        return codecs.NONE
    found = [codec for codec, known in codecs.CODEC_NAMES.items() if known == name]
    if not found:
        raise ValueError(f"compression.type {name}")
    return found[0]
