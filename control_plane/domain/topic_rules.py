"""What a plan allows a topic to be; pure checks whose errors say the remedy."""

from dataclasses import dataclass, replace

from control_plane.domain.durations import text_from_ms
from control_plane.domain.errors import Invalid
from control_plane.domain.plans import Plan, limit_error, next_plan_for

# With three replicas or more, acks=all means two brokers, and one may be down.
MIN_INSYNC_REPLICAS = 2
MIN_INSYNC_FROM_REPLICATION = 3


@dataclass(frozen=True, slots=True)
class TopicShape:
    """The settings a user chooses; retention None: keep without limit (needs compaction)."""

    partition_count: int
    replication_factor: int
    retention_ms: int | None
    is_compacted: bool = False

    @property
    def cleanup_policy(self) -> str:
        if not self.is_compacted:
            return "delete"
        return "compact" if self.retention_ms is None else "compact,delete"

    def configs(self) -> dict[str, str]:
        """Return the topic's config overrides by Kafka's names."""
        retention = -1 if self.retention_ms is None else self.retention_ms
        configs = {"cleanup.policy": self.cleanup_policy, "retention.ms": str(retention)}
        if self.replication_factor >= MIN_INSYNC_FROM_REPLICATION:
            configs["min.insync.replicas"] = str(MIN_INSYNC_REPLICAS)
        elif self.replication_factor == 1:
            # Said, not left to the default of the cluster, which grows with its nodes: while such
            # a topic gets more replicas, writes must not wait for them.
            configs["min.insync.replicas"] = "1"
        return configs


def shape_for(
    plan: Plan,
    *,
    partition_count: int | None = None,
    replication_factor: int | None = None,
    retention_ms: int | None = None,
    is_compacted: bool = False,
) -> TopicShape:
    """Fill what was left out from the plan, then check it all. Raises Invalid or PlanLimit."""
    if retention_ms is None and not is_compacted:
        retention_ms = plan.retention_ms_default
    shape = TopicShape(
        plan.partitions_default if partition_count is None else partition_count,
        plan.replication_factor_default if replication_factor is None else replication_factor,
        retention_ms,
        is_compacted,
    )
    check(plan, shape)
    return shape


def changed(
    plan: Plan,
    shape: TopicShape,
    *,
    retention_ms: int | None,
    is_compacted: bool,
    replication_factor: int | None = None,
) -> TopicShape:
    """Return the shape after an alteration, checked. The partition count never changes."""
    if retention_ms is None and not is_compacted:
        raise Invalid(
            "Retention can be disabled only on a compacted topic: switch compaction on, "
            "or give a retention time.",
            field="retention_time_ms",
        )
    new = replace(
        shape,
        retention_ms=retention_ms,
        is_compacted=is_compacted,
        replication_factor=replication_factor or shape.replication_factor,
    )
    check(plan, new)
    return new


def check(plan: Plan, shape: TopicShape) -> None:
    """Hold a topic against its plan's limits. Raises Invalid or PlanLimit."""
    _check_partitions(plan, shape.partition_count)
    _check_replication(plan, shape.replication_factor)
    if shape.retention_ms is not None:
        _check_retention(plan, shape.retention_ms)
    elif plan.tenancy == "shared":
        raise Invalid(f"Plan {plan.name} always keeps a retention time.", field="retention_time_ms")


def check_totals(plan: Plan, *, topics: int, partition_replicas: int) -> None:
    """Hold what a cluster would have in all against its plan. Raises PlanLimit."""
    if plan.topics_max is not None and topics > plan.topics_max:
        larger = next_plan_for(plan, topics=topics)
        sentence = f"Plan {plan.name} has at most {plan.topics_max} topics."
        raise limit_error(sentence, field="name", larger=larger)
    if partition_replicas > plan.partition_replicas_max:
        sentence = (
            f"Plan {plan.name} has at most {plan.partition_replicas_max} partition replicas; "
            f"with this topic there would be {partition_replicas}."
        )
        raise limit_error(sentence, field="partition_count", larger=next_plan_for(plan))


def _check_partitions(plan: Plan, count: int) -> None:
    if not 1 <= count <= plan.partitions_per_topic_max:
        raise Invalid(
            f"A topic has 1 to {plan.partitions_per_topic_max} partitions on plan {plan.name}, "
            f"not {count}.",
            field="partition_count",
        )


def _check_replication(plan: Plan, factor: int) -> None:
    if factor > plan.replication_factor_max:
        sentence = (
            f"Plan {plan.name} allows a replication factor of at most "
            f"{plan.replication_factor_max}, not {factor}."
        )
        larger = next_plan_for(plan, replication_factor=factor)
        raise limit_error(sentence, field="replication_factor", larger=larger)
    if factor < plan.replication_factor_min:
        raise Invalid(
            f"Plan {plan.name} needs a replication factor of at least "
            f"{plan.replication_factor_min}, not {factor}.",
            field="replication_factor",
        )


def _check_retention(plan: Plan, retention_ms: int) -> None:
    if retention_ms > plan.retention_ms_max:
        sentence = (
            f"Plan {plan.name} keeps records for at most {text_from_ms(plan.retention_ms_max)}, "
            f"not {text_from_ms(retention_ms)}."
        )
        larger = next_plan_for(plan, retention_ms=retention_ms)
        raise limit_error(sentence, field="retention_time_ms", larger=larger)
    if retention_ms < plan.retention_ms_min:
        raise Invalid(
            f"Plan {plan.name} keeps records for at least {text_from_ms(plan.retention_ms_min)}, "
            f"not {text_from_ms(retention_ms)}.",
            field="retention_time_ms",
        )
