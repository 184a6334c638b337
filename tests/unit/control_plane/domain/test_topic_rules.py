"""What plans allow topics to be."""

import pytest

from control_plane.domain import topic_rules
from control_plane.domain.durations import DAY_MS, HOUR_MS
from control_plane.domain.errors import Invalid, PlanLimit
from control_plane.domain.plans import PLANS
from control_plane.domain.topic_rules import TopicShape

MINI, BASIC, STANDARD = PLANS["mini-0"], PLANS["basic-0"], PLANS["standard-0"]


def test_what_is_left_out_comes_from_the_plan() -> None:
    assert topic_rules.shape_for(MINI) == TopicShape(8, 1, 24 * HOUR_MS)
    assert topic_rules.shape_for(STANDARD) == TopicShape(32, 3, 24 * HOUR_MS)


@pytest.mark.parametrize(
    ("shape", "policy", "retention"),
    [
        (TopicShape(8, 1, HOUR_MS), "delete", "3600000"),
        (TopicShape(8, 1, None, is_compacted=True), "compact", "-1"),
        (TopicShape(8, 1, HOUR_MS, is_compacted=True), "compact,delete", "3600000"),
    ],
)
def test_configs_by_kafkas_names(shape: TopicShape, policy: str, retention: str) -> None:
    assert shape.configs() == {
        "cleanup.policy": policy,
        "retention.ms": retention,
        "min.insync.replicas": "1",
    }


def test_compaction_alone_keeps_without_limit() -> None:
    assert topic_rules.shape_for(MINI, is_compacted=True).retention_ms is None


def test_shared_plans_always_keep_a_retention() -> None:
    with pytest.raises(Invalid, match="always keeps a retention"):
        topic_rules.shape_for(BASIC, is_compacted=True)


def test_retention_cannot_be_switched_off_without_compaction() -> None:
    with pytest.raises(Invalid, match="switch compaction on"):
        topic_rules.changed(MINI, TopicShape(8, 1, HOUR_MS), retention_ms=None, is_compacted=False)


def test_limits_name_the_plan_that_allows_more() -> None:
    with pytest.raises(PlanLimit, match=r"standard-0\.$") as refused:
        topic_rules.shape_for(MINI, replication_factor=3)
    assert refused.value.field == "replication_factor"
    with pytest.raises(PlanLimit, match="extended-0"):
        topic_rules.shape_for(MINI, retention_ms=30 * DAY_MS)
    with pytest.raises(PlanLimit, match=r"at most 42d, not 60d\.$"):
        topic_rules.shape_for(PLANS["extended-2"], retention_ms=60 * DAY_MS)


def test_totals() -> None:
    topic_rules.check_totals(MINI, topics=100, partition_replicas=200)
    with pytest.raises(PlanLimit, match="at most 100 topics"):
        topic_rules.check_totals(MINI, topics=101, partition_replicas=101)
    with pytest.raises(PlanLimit, match="there would be 201"):
        topic_rules.check_totals(MINI, topics=1, partition_replicas=201)
    topic_rules.check_totals(STANDARD, topics=5000, partition_replicas=12_000)
