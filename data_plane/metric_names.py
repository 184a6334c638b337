"""The one catalogue of metric names, units and kinds; broker, agent and contract read it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    unit: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str


METRICS: dict[str, Metric] = {
    "bytes_in_total": Metric("bytes", "counter", "Record batch bytes accepted from producers"),
    "bytes_out_total": Metric("bytes", "counter", "Record batch bytes sent to consumers"),
    "messages_in_total": Metric("records", "counter", "Records accepted from producers"),
    "requests_total": Metric("requests", "counter", "Requests answered"),
    "connections": Metric("connections", "gauge", "Open client connections"),
    "topics": Metric("topics", "gauge", "Topics, internal ones left out"),
    "partition_replicas": Metric(
        "replicas", "gauge", "Partition replicas hosted, internal ones left out"
    ),
    "log_size_bytes": Metric("bytes", "gauge", "Bytes of all logs on disk"),
    "offline_partitions": Metric(
        "partitions", "gauge", "Partitions without a leader or quarantined"
    ),
    "damaged_partitions": Metric(
        "partitions",
        "gauge",
        "Partitions in which stored records are wrong and nobody else has them",
    ),
    "recovering_partitions": Metric(
        "partitions", "gauge", "Partitions that may have lost committed records: an alarm"
    ),
    "resident_bytes": Metric("bytes", "gauge", "Resident memory of the broker process"),
    "loop_lag_p999_ms": Metric(
        "ms", "gauge", "Lag of the broker's loop that 99.9 % of the last minutes did not exceed"
    ),
    "quorum_loop_lag_p999_ms": Metric("ms", "gauge", "The same of the quorum's loop"),
    "loop_lag_ms": Metric("ms", "histogram", "Lag of each loop every 50 ms, since the start"),
}
