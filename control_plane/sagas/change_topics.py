"""Topics on the brokers: one saga each to create, alter and delete; a spec change, awaited."""

import datetime as dt
from typing import Any

from control_plane.domain.states import TopicState
from control_plane.domain.topic_rules import TopicShape
from control_plane.sagas import await_nodes
from control_plane.sagas.engine import NotYet, Output, Saga, Step, StepContext
from control_plane.services import events, specs

AWAIT_MAX = dt.timedelta(seconds=45)
MOVE_MAX = dt.timedelta(minutes=10)  # replicas are copied where the replication factor grows


def publish_topic(context: StepContext) -> Output:
    """Publish the cluster's spec; the topic's row says already what it should be."""
    generation = specs.publish(context.session, context.operation.cluster_id, now=context.now)
    return {"generation": generation}


def withdraw_topic(context: StepContext) -> None:
    """Leave the topic out of the spec: whatever of it was made is removed again."""
    specs.lock(context.session, context.operation.cluster_id)
    topic = context.topic()
    if topic.state == TopicState.CREATING:
        topic.state, topic.error = TopicState.FAILED, context.operation.reason
    specs.publish(context.session, context.operation.cluster_id, now=context.now)


def await_topic(context: StepContext) -> Output:
    """Wait until the brokers describe the topic as wanted; other topics' troubles do not count."""
    said = _raise_topic_error(context)
    topic = context.topic()
    if said is None or (said["partition_count"], said["replication_factor"]) != (
        topic.partition_count,
        topic.replication_factor,
    ):
        await_nodes.applied(context, context.output_of(publish_topic)["generation"])
        if said is None:
            raise NotYet("the nodes applied the change but do not describe the topic")
    return None


def mark_topic_available(context: StepContext) -> Output:
    topic = context.topic()
    if topic.state != TopicState.AVAILABLE:
        topic.state, topic.error, topic.updated_at = TopicState.AVAILABLE, "", context.now
        _emit(context, "topic.available")
    return None


def on_create_failed(context: StepContext) -> None:
    topic = context.topic()
    topic.state, topic.error, topic.updated_at = (
        TopicState.FAILED,
        context.operation.reason,
        context.now,
    )
    _emit(context, "topic.failed")


def publish_settings(context: StepContext) -> Output:
    _reshape(context, "after")
    return {
        "generation": specs.publish(context.session, context.operation.cluster_id, now=context.now)
    }


def restore_settings(context: StepContext) -> None:
    _reshape(context, "before")
    specs.publish(context.session, context.operation.cluster_id, now=context.now)


def await_settings(context: StepContext) -> Output:
    said = _raise_topic_error(context)
    await_nodes.applied(context, context.output_of(publish_settings)["generation"])
    if said is not None and said.get("pending"):
        raise NotYet(said["pending"])
    return None


def on_alter_failed(context: StepContext) -> None:
    topic = context.topic()
    topic.state, topic.error, topic.updated_at = (
        TopicState.AVAILABLE,
        context.operation.reason,
        context.now,
    )


def await_topic_gone(context: StepContext) -> Output:
    _raise_topic_error(context)
    await_nodes.applied(context, context.output_of(publish_topic)["generation"])
    return None


def mark_topic_deleted(context: StepContext) -> Output:
    topic = context.topic()
    if topic.deleted_at is None:
        topic.state, topic.deleted_at, topic.updated_at = (
            TopicState.DELETED,
            context.now,
            context.now,
        )
        _emit(context, "topic.deleted")
    return None


def on_delete_failed(context: StepContext) -> None:
    """A deletion is not taken back: records may be gone. It can be asked for again."""
    topic = context.topic()
    topic.error, topic.updated_at = context.operation.reason, context.now


def _status_of(context: StepContext) -> dict[str, Any] | None:
    """Return what nodes say of the topic; a fault anywhere goes before a success elsewhere."""
    name = context.operation.input["name"]
    said = [
        topic
        for share in specs.running_shares_of(context.session, context.operation.cluster_id)
        for topic in share.status.get("topics", [])
        if topic["name"] == name
    ]
    return next((topic for topic in said if topic["error"]), said[0] if said else None)


def _raise_topic_error(context: StepContext) -> dict[str, Any] | None:
    """Return what nodes say of the topic, unless they say that something is wrong with it."""
    said = _status_of(context)
    if said is not None and said["error"]:
        raise NotYet(said["error"])
    return said


def _reshape(context: StepContext, which: str) -> None:
    specs.lock(context.session, context.operation.cluster_id)
    context.topic().reshape(TopicShape(**context.operation.input[which]))
    context.session.flush()


def _emit(context: StepContext, type_: str) -> None:
    addon = context.cluster().addon
    events.emit(
        context.session, addon, type_, now=context.now, topic=context.operation.input["name"]
    )


CREATE_TOPIC = Saga(
    steps=(
        Step(publish_topic, undo=withdraw_topic),
        Step(await_topic, wait_max=AWAIT_MAX),
        Step(mark_topic_available),
    ),
    on_failed=on_create_failed,
)
ALTER_TOPIC = Saga(
    steps=(
        Step(publish_settings, undo=restore_settings),
        Step(await_settings, wait_max=MOVE_MAX),
        Step(mark_topic_available),
    ),
    on_failed=on_alter_failed,
)
DELETE_TOPIC = Saga(
    steps=(
        Step(publish_topic),
        Step(await_topic_gone, wait_max=AWAIT_MAX),
        Step(mark_topic_deleted),
    ),
    on_failed=on_delete_failed,
)
