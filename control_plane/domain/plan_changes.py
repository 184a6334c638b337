"""Which plan may follow which, on a cluster as it is; each refusal says why and what to do."""

from collections.abc import Mapping
from dataclasses import replace

from control_plane.domain import topic_rules
from control_plane.domain.errors import Invalid, PlanLimit
from control_plane.domain.plans import GB, Plan
from control_plane.domain.topic_rules import TopicShape


def check(
    old: Plan, new: Plan, *, engine: str, topics: Mapping[str, TopicShape], used_bytes: int
) -> None:
    """topics: by name, as they are. Raises Invalid or PlanLimit."""
    _check_kind(old, new, engine)
    shapes = {name: widened(old, new, shape) for name, shape in topics.items()}
    for name, shape in shapes.items():
        try:
            topic_rules.check(new, shape)
        except Invalid as problem:
            raise type(problem)(
                f"Topic {name} does not fit: {problem.message} Change the topic, then the plan.",
                field="plan",
            ) from None
    topic_rules.check_totals(
        new,
        topics=len(shapes),
        partition_replicas=sum(s.partition_count * s.replication_factor for s in shapes.values()),
    )
    if used_bytes > new.disk_bytes:
        raise PlanLimit(
            f"The cluster holds {used_bytes / GB:.1f} GB and plan {new.name} has "
            f"{new.disk_bytes / GB:.0f} GB: delete topics or shorten their retention first.",
            field="plan",
        )


def widened(old: Plan, new: Plan, shape: TopicShape) -> TopicShape:
    """The shape under the new plan: replicas that the old one could not have are made."""
    if old.replication_factor_max >= new.replication_factor_default:
        return shape
    factor = max(shape.replication_factor, new.replication_factor_default)
    return replace(shape, replication_factor=factor)


def _check_kind(old: Plan, new: Plan, engine: str) -> None:
    another = (
        f"Create a new add-on of plan {new.name}, copy the topics to it, then destroy this one."
    )
    if old.tenancy != new.tenancy:
        raise Invalid(
            f"Plan {old.name} cannot be changed to {new.name}: one shares its brokers, the other "
            f"has its own. {another}",
            field="plan",
        )
    if new.broker_count < old.broker_count:
        raise Invalid(
            f"Plan {old.name} cannot be changed to {new.name}: it has {old.broker_count} brokers "
            f"and {new.name} has {new.broker_count}, and brokers are not taken away from a "
            f"cluster that holds data. {another}",
            field="plan",
        )
    if engine not in new.engines:
        raise Invalid(
            f"Plan {new.name} does not run on engine {engine}, which this cluster has. {another}",
            field="plan",
        )
