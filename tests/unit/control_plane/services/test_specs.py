"""What a plan becomes in the documents that agents read."""

from control_plane.domain.plans import PLANS
from control_plane.services.specs import quotas_of_plan


def test_a_shared_plan_limits_its_credentials() -> None:
    assert quotas_of_plan(PLANS["basic-0"]) == {
        "producer_byte_rate": 64_000,
        "consumer_byte_rate": 256_000,
    }


def test_a_plan_with_brokers_of_its_own_limits_nobody() -> None:
    assert quotas_of_plan(PLANS["mini-0"]) == {}
