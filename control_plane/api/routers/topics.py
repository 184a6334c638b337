"""Topics of a cluster. Changes are accepted at once and made on the brokers by an operation."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from control_plane.api.cluster_view import attachment_name, topic_rates
from control_plane.api.routers.clusters import ClusterDep
from control_plane.api.schemas.addons import addon_name
from control_plane.api.schemas.operations import operation_out
from control_plane.api.schemas.topics import (
    TopicAccepted,
    TopicCreate,
    TopicLimits,
    TopicOut,
    TopicRates,
    TopicsOut,
    TopicUpdate,
    topic_out,
)
from control_plane.http.context import ContextDep
from control_plane.http.errors import check_path_text
from control_plane.http.idempotency import remember
from control_plane.http.request_ids import request_id_of
from control_plane.http.units import SessionDep, TransactionRoute, UnitDep
from control_plane.http.wake import wake_after_commit
from control_plane.models import Cluster, Operation, Topic
from control_plane.services import clusters, topics

router = APIRouter(
    prefix="/data/kafka/v0/clusters/{cluster}/topics",
    tags=["topics"],
    route_class=TransactionRoute,
    dependencies=[Depends(remember)],
)


def topic_of(topic: str, cluster: ClusterDep, session: SessionDep) -> Topic:
    return topics.get(session, cluster, check_path_text(topic, "topic"))


TopicDep = Annotated[Topic, Depends(topic_of)]


@router.get("")
def list_topics(cluster: ClusterDep, session: SessionDep, context: ContextDep) -> TopicsOut:
    """All topics, those being made or removed included; the brokers' own are left out."""
    rates = topic_rates(session, cluster, now=context.clock.now())
    return TopicsOut(
        attachment_name=attachment_name(session, cluster),
        limits=TopicLimits(max_topics=clusters.plan_of(cluster).topics_max),
        topics=[
            topic_out(topic, rates.get(topic.name, TopicRates()))
            for topic in topics.of_cluster(session, cluster)
        ],
    )


@router.get("/{topic}")
def read_topic(
    topic: TopicDep, cluster: ClusterDep, session: SessionDep, context: ContextDep
) -> TopicOut:
    rates = topic_rates(session, cluster, now=context.clock.now())
    return topic_out(topic, rates.get(topic.name, TopicRates()))


@router.post("", status_code=202)
def create_topic(
    cluster: ClusterDep,
    body: TopicCreate,
    session: SessionDep,
    unit: UnitDep,
    context: ContextDep,
    request: Request,
    response: Response,
) -> TopicAccepted:
    """Accept a topic. Brokers have it once its `state` reads `available`."""
    wish = body.topic
    topic, operation = topics.create(
        session,
        cluster,
        name=wish.name,
        partition_count=wish.partition_count,
        replication_factor=wish.replication_factor,
        retention_ms=wish.retention_time_ms,
        is_compacted=wish.compaction,
        now=context.clock.now(),
        request_id=request_id_of(request.scope),
    )
    wake_after_commit(unit, operation)
    return _accepted(f"Topic {topic.name} is being created.", cluster, topic, operation, response)


@router.put("/{topic}", status_code=202)
def change_topic(
    cluster: ClusterDep,
    topic: TopicDep,
    body: TopicUpdate,
    session: SessionDep,
    unit: UnitDep,
    context: ContextDep,
    request: Request,
    response: Response,
) -> TopicAccepted:
    """Change retention, compaction or replication; the partition count is fixed for good."""
    change = body.topic
    topic, operation = topics.alter(
        session,
        cluster,
        topic,
        retention_ms=change.retention_time_ms,
        is_compacted=change.compaction,
        replication_factor=change.replication_factor,
        now=context.clock.now(),
        request_id=request_id_of(request.scope),
    )
    wake_after_commit(unit, operation)
    said = "is being changed" if operation else "is as asked for already"
    return _accepted(f"Topic {topic.name} {said}.", cluster, topic, operation, response)


@router.delete("/{topic}", status_code=202)
def destroy_topic(
    cluster: ClusterDep,
    topic: TopicDep,
    session: SessionDep,
    unit: UnitDep,
    context: ContextDep,
    request: Request,
    response: Response,
) -> TopicAccepted:
    """Mark a topic for deletion; its records go in the background."""
    topic, operation = topics.destroy(
        session,
        cluster,
        topic,
        now=context.clock.now(),
        request_id=request_id_of(request.scope),
    )
    wake_after_commit(unit, operation)
    message = f"Topic {topic.name} is marked for deletion."
    return _accepted(message, cluster, topic, operation, response)


def _accepted(
    message: str, cluster: Cluster, topic: Topic, operation: Operation | None, response: Response
) -> TopicAccepted:
    if operation is not None:
        response.headers["Location"] = f"/operations/{operation.id}"
    return TopicAccepted(
        id=str(topic.id),
        message=message,
        topic=topic_out(topic, TopicRates()),
        operation=operation_out(operation, addon_name(cluster.addon)) if operation else None,
    )
