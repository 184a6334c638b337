"""Gathers what a cluster's reply shows from rows, reports and samples."""

import datetime as dt

from sqlalchemy.orm import Session

from control_plane.api.schemas.clusters import (
    ClusterOut,
    ClusterStateOut,
    Defaults,
    Formation,
    limits_of,
)
from control_plane.api.schemas.topics import TopicRates
from control_plane.domain.states import TopicState
from control_plane.http.version import service_version
from control_plane.models import Cluster
from control_plane.services import attachments, clusters, throughput, topics, upgrades


def attachment_name(session: Session, cluster: Cluster) -> str | None:
    """The add-on's first attachment on the app that pays for it."""
    addon = cluster.addon
    own = [each for each in attachments.of_addon(session, addon) if each.app_id == addon.app_id]
    return own[0].name if own else None


def topic_rates(session: Session, cluster: Cluster, *, now: dt.datetime) -> dict[str, TopicRates]:
    return {
        name: TopicRates(
            bytes_in_per_second=rates.bytes_in,
            bytes_out_per_second=rates.bytes_out,
            messages_in_per_second=rates.records_in,
        )
        for name, rates in throughput.now_of_topics(session, cluster.id, now=now).items()
    }


def versions_of(session: Session, cluster: Cluster) -> list[str]:
    """The versions its brokers run, as they said; before they did, those that its nodes have."""
    run = set(upgrades.running(session, cluster).values()) - {""}
    return sorted(run) or upgrades.installed(cluster) or [service_version()]


def cluster_out(session: Session, cluster: Cluster, *, now: dt.datetime) -> ClusterOut:
    """Rates are numbers here even before the first sample: the clients of this route insist."""
    plan = clusters.plan_of(cluster)
    status = clusters.wait_status(session, cluster, now=now)
    rates = throughput.now_of_clusters(session, [cluster.id], now=now)[cluster.id]
    found = topics.of_cluster(session, cluster)
    silent = clusters.silent_nodes(session, cluster, now=now)
    return ClusterOut(
        addon_id=str(cluster.addon_id),
        name=cluster.addon.name,
        attachment_name=attachment_name(session, cluster),
        created_at=cluster.created_at,
        state=ClusterStateOut(
            message=status.message,
            is_waiting=status.is_waiting,
            is_healthy=status.is_healthy,
            status=cluster.state,
            degraded_topics=[each.name for each in found if each.state == TopicState.FAILED],
            degraded_brokers=[
                each.broker_id
                for each in cluster.brokers
                if each.phase != "ready" or each.node in silent
            ],
        ),
        plan=cluster.plan,
        engine=cluster.engine,
        version=versions_of(session, cluster),
        limits=limits_of(plan),
        messages_in_per_sec=round(rates.records_in or 0),
        bytes_in_per_sec=round(rates.bytes_in or 0),
        bytes_out_per_sec=round(rates.bytes_out or 0),
        partition_replica_count=topics.partition_replicas(session, cluster),
        data_size=sum(topic.size_bytes for topic in found),
        topics=[topic.name for topic in found],
        shared_cluster=plan.tenancy == "shared",
        formation=Formation(
            id=str(cluster.id),
            kafkas=[
                f"{broker.node.advertised_host}:{broker.port}"
                for broker in cluster.brokers
                if broker.port
            ],
        ),
        defaults=Defaults(
            partition_count=plan.partitions_default, retention_time_ms=plan.retention_ms_default
        ),
    )
