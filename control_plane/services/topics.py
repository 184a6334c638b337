"""Topics: asked for here, made on the brokers by an operation each."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from control_plane.domain import names, topic_rules
from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.errors import Conflict, Gone, NotFound
from control_plane.domain.plans import PLANS
from control_plane.domain.states import TopicState
from control_plane.domain.topic_rules import TopicShape
from control_plane.models import Cluster, Operation, Topic
from control_plane.services import operations


def of_cluster(session: Session, cluster: Cluster) -> Sequence[Topic]:
    """Return the cluster's topics by name, those under way included, internal ones not."""
    found = select(Topic).where(Topic.cluster_id == cluster.id, Topic.deleted_at.is_(None))
    return session.scalars(found.order_by(Topic.name)).all()


def get(session: Session, cluster: Cluster, name: str) -> Topic:
    """Find a topic by name. Raises NotFound."""
    found = select(Topic).where(
        Topic.cluster_id == cluster.id, Topic.name == name, Topic.deleted_at.is_(None)
    )
    if (topic := session.scalar(found)) is None:
        raise NotFound(f"Couldn't find the topic {name[:249]!r}.")
    return topic


def create(
    session: Session,
    cluster: Cluster,
    *,
    name: str,
    now: dt.datetime,
    partition_count: int | None = None,
    replication_factor: int | None = None,
    retention_ms: int | None = None,
    is_compacted: bool = False,
    request_id: str = "",
) -> tuple[Topic, Operation]:
    """Accept a topic; what is left out comes from the plan. Brokers have it once `available`.

    Raises Invalid (name, shape), PlanLimit, Conflict (taken, colliding, cluster not ready).
    """
    _lock_available(session, cluster)
    names.check_topic_name(name)
    plan = PLANS[cluster.plan]
    shape = topic_rules.shape_for(
        plan,
        partition_count=partition_count,
        replication_factor=replication_factor,
        retention_ms=retention_ms,
        is_compacted=is_compacted,
    )
    existing = of_cluster(session, cluster)
    _check_name_free(name, existing, now)
    existing = of_cluster(session, cluster)
    replicas = sum(each.partition_count * each.replication_factor for each in existing)
    topic_rules.check_totals(
        plan,
        topics=len(existing) + 1,
        partition_replicas=replicas + shape.partition_count * shape.replication_factor,
    )
    topic = Topic(cluster_id=cluster.id, name=name, created_at=now, updated_at=now)
    topic.reshape(shape)
    session.add(topic)
    session.flush()
    return topic, _enqueue(
        session, operations.CREATE_TOPIC, cluster, topic, now=now, request_id=request_id
    )


def alter(
    session: Session,
    cluster: Cluster,
    topic: Topic,
    *,
    retention_ms: int | None,
    is_compacted: bool,
    now: dt.datetime,
    replication_factor: int | None = None,
    request_id: str = "",
) -> tuple[Topic, Operation | None]:
    """Accept a topic's new settings; None as operation: they are what they were.

    retention_ms None: keep without limit. Raises Invalid, PlanLimit, Conflict (busy).
    """
    _lock_available(session, cluster)
    if cluster.state == ClusterState.UPDATING:
        raise Conflict("The cluster's plan is being changed: try again when that is done.")
    session.refresh(topic, with_for_update={"key_share": True})
    plan = PLANS[cluster.plan]
    new = topic_rules.changed(
        plan,
        topic.shape,
        retention_ms=retention_ms,
        is_compacted=is_compacted,
        replication_factor=replication_factor,
    )
    if topic.state != TopicState.AVAILABLE:
        raise Conflict(f"Topic {topic.name} is {topic.state}: try again when it is available.")
    if new == topic.shape:
        return topic, None
    others = [each for each in of_cluster(session, cluster) if each.id != topic.id]
    replicas = sum(each.partition_count * each.replication_factor for each in others)
    topic_rules.check_totals(
        plan,
        topics=len(others) + 1,
        partition_replicas=replicas + new.partition_count * new.replication_factor,
    )
    operation = _enqueue(
        session,
        operations.ALTER_TOPIC,
        cluster,
        topic,
        now=now,
        request_id=request_id,
        before=_json(topic.shape),
        after=_json(new),
    )
    topic.state, topic.updated_at = TopicState.UPDATING, now
    return topic, operation


def destroy(
    session: Session, cluster: Cluster, topic: Topic, *, now: dt.datetime, request_id: str = ""
) -> tuple[Topic, Operation | None]:
    """Mark a topic for deletion; its records go. Repeated: the same operation.

    Raises Conflict while another change of the topic is under way.
    """
    _lock_available(session, cluster)
    session.refresh(topic, with_for_update={"key_share": True})
    if topic.deleted_at is not None:
        return topic, None
    for operation in operations.live_on(session, cluster.id):
        if operation.topic_id == topic.id:
            if operation.kind == operations.DELETE_TOPIC:
                return topic, operation
            raise Conflict(f"Topic {topic.name} is {topic.state}: try again when that is done.")
    if topic.state == TopicState.FAILED:  # it is on no broker
        topic.state, topic.deleted_at, topic.updated_at = TopicState.DELETED, now, now
        return topic, None
    topic.state, topic.updated_at = TopicState.DELETING, now
    return topic, _enqueue(
        session, operations.DELETE_TOPIC, cluster, topic, now=now, request_id=request_id
    )


def partition_replicas(session: Session, cluster: Cluster) -> int:
    """Count partition replicas as kafka:info does: partitions times replication factor."""
    return sum(
        topic.partition_count * topic.replication_factor for topic in of_cluster(session, cluster)
    )


def _json(shape: TopicShape) -> dict[str, Any]:
    return {
        "partition_count": shape.partition_count,
        "replication_factor": shape.replication_factor,
        "retention_ms": shape.retention_ms,
        "is_compacted": shape.is_compacted,
    }


def _lock_available(session: Session, cluster: Cluster) -> None:
    """Lock the cluster's row: limits are checked against what no other request is changing."""
    session.refresh(cluster, with_for_update={"key_share": True})
    if cluster.state in {ClusterState.DELETING, ClusterState.DELETED}:
        raise Gone("This cluster is being destroyed.")
    if cluster.state == ClusterState.CREATING:
        raise Conflict("This cluster is not available yet: wait until it is.")


def _check_name_free(name: str, existing: Sequence[Topic], now: dt.datetime) -> None:
    for topic in existing:
        if topic.name == name and topic.state == TopicState.FAILED:
            # It is on no broker; a new attempt takes its name.
            topic.state, topic.deleted_at = TopicState.DELETED, now
        elif topic.name == name:
            raise Conflict(f"Topic {name} already exists.", field="name")
        elif names.topics_collide(topic.name, name):
            raise Conflict(
                f"Topic {name} would collide with {topic.name}: Kafka takes dots and underscores "
                "for one in metric names.",
                field="name",
            )


def _enqueue(
    session: Session,
    kind: str,
    cluster: Cluster,
    topic: Topic,
    *,
    now: dt.datetime,
    request_id: str,
    **input_: Any,
) -> Operation:
    return operations.enqueue(
        session,
        kind,
        addon_id=cluster.addon_id,
        cluster_id=cluster.id,
        topic_id=topic.id,
        now=now,
        input={"name": topic.name, **input_},
        request_id=request_id,
    )
