"""The cluster page's view: one cluster, what it is doing and how much of its plan is used."""

import datetime as dt
import uuid
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from control_plane.dashboard import figures, words
from control_plane.dashboard.fleet import month_costs
from control_plane.dashboard.versions import version_text
from control_plane.dashboard.views import (
    Bar,
    BrokerView,
    ClusterView,
    OperationView,
    State,
    StepView,
    TopicLimits,
    TopicView,
)
from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.durations import text_from_ms
from control_plane.domain.health import Health
from control_plane.domain.plans import CURRENCY, Plan
from control_plane.domain.pricing import hourly_micros
from control_plane.domain.states import LIVE, AddonState, TopicState
from control_plane.models import Cluster, Operation, Topic
from control_plane.services import clusters, operations, throughput, topics

OPERATIONS_SHOWN = 6


def cluster_view(session: Session, cluster: Cluster, *, now: dt.datetime) -> ClusterView:
    addon, plan = cluster.addon, clusters.plan_of(cluster)
    health, sentence = clusters.health(session, cluster, now=now)
    is_stuck = clusters.is_stuck(session, cluster, now=now)
    shown = words.cluster_state(addon, cluster, health, is_stuck=is_stuck)
    rates = throughput.now_of_clusters(session, [cluster.id], now=now)[cluster.id]
    found = topics.of_cluster(session, cluster)
    cost = month_costs(session, [addon.id], now=now).get(addon.id, 0)
    return ClusterView(
        id=addon.id,
        name=addon.name,
        app=addon.app.name,
        plan=cluster.plan,
        version=version_text(cluster),
        created_at=cluster.created_at,
        state=shown,
        sentence=_sentence(cluster, health, shown),
        reasons=_reasons(cluster, health, shown, sentence, found),
        bytes_in=figures.byte_rate(rates.bytes_in),
        bytes_out=figures.byte_rate(rates.bytes_out),
        records_in=figures.count_rate(rates.records_in, "rec"),
        bars=_bars(
            plan, found, throughput.gauge_now(session, cluster.id, "log_size_bytes", now=now)
        ),
        brokers=_brokers(session, cluster, now),
        topics=_topics(session, cluster, found, now),
        operations=_operations(session, cluster, found, now),
        cost=figures.money(cost, CURRENCY),
        price_hour=figures.money(round(hourly_micros(plan.price_micros_per_month)), CURRENCY),
        price_month=figures.money(plan.price_micros_per_month, CURRENCY),
    )


def _sentence(cluster: Cluster, health: Health, shown: State) -> str:
    if cluster.addon.state == AddonState.FAILED:
        return "The cluster could not be created. Nothing was left behind and nothing is billed."
    match ClusterState(cluster.state):
        case ClusterState.CREATING:
            return "The cluster is being created. Its config vars are set when it is ready."
        case ClusterState.DELETING | ClusterState.DELETED:
            return "The cluster is being removed with all its data. Billing has ended."
        case ClusterState.UPDATING:
            return f"The plan is being changed to {cluster.addon.plan}; the cluster serves on."
    match health:
        case Health.HEALTHY:
            count = len(cluster.brokers)
            return "The broker is serving." if count == 1 else f"All {count} brokers are serving."
        case Health.UNKNOWN:
            return "No fresh report from its node. Brokers may well be serving."
    return f"{shown.word}: it serves, but not as it should."


def _reasons(
    cluster: Cluster, health: Health, shown: State, sentence: str, found: Sequence[Topic]
) -> Sequence[str]:
    reasons = [cluster.addon.state_reason] if cluster.addon.state_reason else []
    is_told_by_health = cluster.state == ClusterState.AVAILABLE and health is Health.DEGRADED
    if is_told_by_health or shown is words.STUCK:
        reasons.append(sentence)
    failed = [topic.name for topic in found if topic.state == TopicState.FAILED]
    return [*reasons, *(f"Topic {name} could not be made." for name in failed)]


def _bars(plan: Plan, found: Sequence[Topic], log_bytes: float | None) -> list[Bar]:
    """log_bytes: of all logs, the brokers' own included, as they count against the disk."""
    replicas = sum(topic.partition_count * topic.replication_factor for topic in found)
    size_bytes = max(int(log_bytes or 0), sum(topic.size_bytes for topic in found))
    return [
        _bar("Topics", len(found), plan.topics_max),
        _bar("Partition replicas", replicas, plan.partition_replicas_max),
        _bar(
            "Storage",
            size_bytes,
            plan.disk_bytes,
            str(figures.bytes_figure(size_bytes)),
            str(figures.bytes_figure(plan.disk_bytes)),
        ),
    ]


def _bar(
    label: str, used: int, limit: int | None, used_text: str = "", limit_text: str = ""
) -> Bar:
    percent = min(100 * used / limit, 100) if limit else 0
    tone = "bad" if percent >= 100 else "warn" if percent >= 80 else "busy"
    shown_limit = limit_text or (f"{limit:,}" if limit else "")
    return Bar(label, used_text or f"{used:,}", shown_limit, percent, tone)


def _brokers(session: Session, cluster: Cluster, now: dt.datetime) -> list[BrokerView]:
    silent = clusters.silent_nodes(session, cluster, now=now)
    return [
        BrokerView(
            id=broker.broker_id,
            address=f"{broker.node.advertised_host}:{broker.port or '…'}",
            note=f"on {broker.node.name}"
            + (f", restarted {broker.restarts} times" if broker.restarts else ""),
            state=words.NOT_REPORTING
            if broker.node in silent
            else words.broker_phase(broker.phase),
            seen_at=broker.node.last_report_at,
        )
        for broker in clusters.brokers(session, cluster)
    ]


def _topics(
    session: Session, cluster: Cluster, found: Sequence[Topic], now: dt.datetime
) -> list[TopicView]:
    rates = throughput.now_of_topics(session, cluster.id, now=now)
    nothing = throughput.Rates()
    return [topic_view(topic, rates.get(topic.name, nothing)) for topic in found]


def topic_view(topic: Topic, rates: throughput.Rates) -> TopicView:
    is_there = topic.state not in {TopicState.CREATING, TopicState.FAILED}
    return TopicView(
        name=topic.name,
        state=words.topic_state(topic.state),
        error=topic.error,
        partition_count=topic.partition_count,
        replication_factor=topic.replication_factor,
        size=figures.bytes_figure(topic.size_bytes) if is_there else None,
        bytes_in=figures.byte_rate(rates.bytes_in),
        bytes_out=figures.byte_rate(rates.bytes_out),
        retention=_retention(topic),
    )


def _retention(topic: Topic) -> str:
    kept = "" if topic.retention_ms is None else text_from_ms(topic.retention_ms)
    if not topic.is_compacted:
        return kept
    return f"compacted, {kept}" if kept else "compacted"


def _operations(
    session: Session, cluster: Cluster, found: Sequence[Topic], now: dt.datetime
) -> list[OperationView]:
    latest = (
        select(Operation)
        .where(Operation.cluster_id == cluster.id)
        .order_by(Operation.id.desc())
        .limit(OPERATIONS_SHOWN)
        .options(selectinload(Operation.step_runs))
        .execution_options(populate_existing=True)
    )
    names = {topic.id: topic.name for topic in found}
    return [_operation(each, names, now) for each in session.scalars(latest)]


def _operation(
    operation: Operation, names: dict[uuid.UUID, str], now: dt.datetime
) -> OperationView:
    topic = names.get(operation.topic_id) if operation.topic_id else None
    is_live = operation.state in LIVE
    took_s = ((operation.finished_at or now) - operation.created_at).total_seconds()
    total = operation.steps_total
    names_what = operation.input.get("name")
    return OperationView(
        title=words.operation_title(operation.kind, topic or names_what),
        state=words.STUCK
        if operations.is_stuck(operation, now=now)
        else words.operation_state(operation.state),
        reason=operation.reason,
        progress=f"{operation.steps_done} of {total}" if is_live and total else "",
        started_at=operation.created_at,
        took="" if is_live else figures.span(took_s),
        steps=_steps(operation) if is_live else (),
    )


def _steps(operation: Operation) -> list[StepView]:
    """What is done and what is at work; the ends of finished operations speak for themselves."""
    done = [
        StepView(
            State(words.step_words(run.name), "ok", "ok"),
            figures.span((run.finished_at - run.started_at).total_seconds()),
        )
        for run in operation.step_runs
        if run.direction == "do"
    ]
    at_work = State(words.step_words(operation.step), "busy", "busy") if operation.step else None
    return [*done, StepView(at_work, "")] if at_work else done


def topic_limits(plan: Plan) -> TopicLimits:
    return TopicLimits(
        partitions_default=plan.partitions_default,
        partitions_per_topic_max=plan.partitions_per_topic_max,
        retention_default=text_from_ms(plan.retention_ms_default),
        retention_min=text_from_ms(plan.retention_ms_min),
        retention_max=text_from_ms(plan.retention_ms_max),
    )
