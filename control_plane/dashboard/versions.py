"""What a cluster's brokers run, in words."""

from control_plane.models import Cluster

_ENGINES = {"embedded": "Embedded", "apache-kafka": "Apache Kafka"}


def version_text(cluster: Cluster) -> str:
    """The engine, and the version its nodes have reported."""
    reported = sorted({broker.node.agent_version for broker in cluster.brokers} - {""})
    return " ".join([_ENGINES.get(cluster.engine, cluster.engine), *reported[-1:]])
