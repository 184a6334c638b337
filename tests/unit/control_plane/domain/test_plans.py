"""The catalogue against the table it is taken from (heroku-contract.md (c))."""

import pytest

from control_plane.domain import plans
from control_plane.domain.durations import DAY_MS, HOUR_MS
from control_plane.domain.errors import Invalid, NotFound
from control_plane.domain.plans import GB, KB, PLANS

# Brokers, disk GB, produce and consume kB/s, partition replicas, topics, replication factor
# (default, min, max), retention (hours at least, days at most), US dollars per month.
TABLE = {
    "mini-0": (1, 5, None, None, 200, 100, (1, 1, 1), 1, 7, 5),
    "basic-0": (0, 4, 64, 256, 240, 40, (3, 3, 3), 24, 7, 10),
    "basic-1": (0, 32, 512, 2048, 480, 40, (3, 3, 3), 24, 7, 40),
    "basic-2": (0, 64, 4096, 16384, 960, 40, (3, 3, 3), 24, 7, 120),
    "standard-0": (3, 150, None, None, 12_000, None, (3, 1, 3), 6, 14, 150),
    "standard-1": (3, 300, None, None, 12_000, None, (3, 1, 3), 6, 14, 300),
    "standard-2": (3, 900, None, None, 12_000, None, (3, 1, 3), 6, 14, 700),
    "extended-0": (8, 400, None, None, 32_000, None, (3, 1, 8), 6, 42, 500),
    "extended-1": (8, 800, None, None, 32_000, None, (3, 1, 8), 6, 42, 1000),
    "extended-2": (8, 2400, None, None, 32_000, None, (3, 1, 8), 6, 42, 2000),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_table(name: str) -> None:
    plan = PLANS[name]
    brokers, disk, produce, consume, replicas, topics, factors, hours, days, price = TABLE[name]
    assert (plan.broker_count, plan.disk_bytes) == (brokers, disk * GB)
    assert plan.produce_bytes_per_s == (produce and produce * KB)
    assert plan.consume_bytes_per_s == (consume and consume * KB)
    assert (plan.partition_replicas_max, plan.topics_max) == (replicas, topics)
    assert factors == (
        plan.replication_factor_default,
        plan.replication_factor_min,
        plan.replication_factor_max,
    )
    assert (plan.retention_ms_min, plan.retention_ms_max) == (hours * HOUR_MS, days * DAY_MS)
    assert plan.price_micros_per_month == price * 1_000_000
    assert plan.partitions_default == (8 if plan.name.startswith(("mini", "basic")) else 32)


def test_all_plans_are_in_the_table() -> None:
    assert list(PLANS) == list(TABLE)


def test_a_plan_is_found_by_each_of_its_names() -> None:
    found = {
        plans.plan_named(text, "ottla-kafka").name
        for text in ("ottla-kafka", "ottla-kafka:mini-0", "mini-0")
    }
    assert found == {"mini-0"}


@pytest.mark.parametrize("name", ["", "mini", "heroku-kafka:mini-0", "ottla-kafka:", "MINI-0"])
def test_an_unknown_plan_lists_the_known_ones(name: str) -> None:
    with pytest.raises(NotFound, match="ottla-kafka:standard-0"):
        plans.plan_named(name, "ottla-kafka")


def test_engines() -> None:
    assert plans.engine_of(PLANS["mini-0"], None) == "embedded"
    assert plans.engine_of(PLANS["extended-0"], None) == "embedded"  # which this version can run
    assert plans.engine_of(PLANS["standard-0"], "apache-kafka") == "apache-kafka"
    with pytest.raises(Invalid, match="embedded"):
        plans.engine_of(PLANS["mini-0"], "apache-kafka")


def test_the_next_plan_is_one_with_brokers_of_its_own() -> None:
    mini = PLANS["mini-0"]
    assert plans.next_plan_for(mini, replication_factor=3) is PLANS["standard-0"]
    assert plans.next_plan_for(mini, replication_factor=8) is PLANS["extended-0"]
    assert plans.next_plan_for(mini, replication_factor=9) is None
    assert plans.next_plan_for(mini, retention_ms=15 * DAY_MS) is PLANS["extended-0"]
