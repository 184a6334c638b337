"""Momentary readings of a broker, beside its counters, under the catalogue's names."""

from collections.abc import Mapping

from data_plane.broker.broker import Broker
from data_plane.broker.loop_lag import LoopLag
from data_plane.broker.metrics import Labels, exposition, lag_histogram
from data_plane.log.manifest import PartitionKey

Samples = dict[str, list[tuple[Labels, float]]]


LAG_GAUGES = {"broker": "loop_lag_p999_ms", "quorum": "quorum_loop_lag_p999_ms"}


def metrics_text(
    broker: Broker, *, connections: int, resident_bytes: int, lags: Mapping[str, LoopLag]
) -> str:
    """Everything there is to read, as Prometheus text. lags: by the names in LAG_GAUGES."""
    samples = counters(broker) | gauges(broker)
    samples["connections"] = [({}, connections)]
    if resident_bytes:
        samples["resident_bytes"] = [({}, resident_bytes)]
    for loop, lag in lags.items():
        samples[LAG_GAUGES[loop]] = [({}, round(lag.quantile_ms(0.999), 3))]
    return exposition(samples) + lag_histogram("loop_lag_ms", lags)


def counters(broker: Broker) -> Samples:
    """Each over the whole broker, then by topic; internal topics are in neither."""
    topics = {
        name: topic for name, topic in broker.metrics.topics.items() if not broker.is_internal(name)
    }
    values = {
        "bytes_in_total": {name: topic.bytes_in for name, topic in topics.items()},
        "bytes_out_total": {name: topic.bytes_out for name, topic in topics.items()},
        "messages_in_total": {name: topic.messages_in for name, topic in topics.items()},
    }
    samples: Samples = {
        metric: [({}, sum(by_topic.values()))]
        + [({"topic": name}, value) for name, value in sorted(by_topic.items())]
        for metric, by_topic in values.items()
    }
    samples["requests_total"] = [({}, broker.metrics.requests)]
    return samples


def gauges(broker: Broker) -> Samples:
    topics = [topic for topic in broker.image.topics.values() if not topic.is_internal]
    rows = [row for topic in topics for row in topic.partitions]
    hosted = sum(broker.config.broker_id in row.replicas for row in rows)
    without_leader = sum(row.leader < 0 for row in rows)
    everything = (row for topic in broker.image.topics.values() for row in topic.partitions)
    return {
        "topics": [({}, len(topics))],
        "partition_replicas": [({}, hosted)],
        "log_size_bytes": [({}, broker.log_dir.used_bytes), *_topic_sizes(broker)],
        "offline_partitions": [({}, without_leader + len(broker.log_dir.quarantined))],
        "damaged_partitions": [({}, len(broker.damaged))],
        "recovering_partitions": [({}, sum(row.is_recovering for row in everything))],
    }


def _topic_sizes(broker: Broker) -> list[tuple[Labels, float]]:
    """Each topic's bytes on this broker, internal ones left out."""
    return [
        (
            {"topic": name},
            sum(
                broker.log_dir.size_bytes(PartitionKey(topic.topic_id, index))
                for index in range(len(topic.partitions))
            ),
        )
        for name, topic in sorted(broker.image.topics.items())
        if not topic.is_internal
    ]
