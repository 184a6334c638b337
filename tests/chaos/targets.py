"""Which brokers a fault hits: a leader, a follower, the controller, two, all."""

import random
import time
from contextlib import suppress

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from tests.chaos.asking import NoAnswer, ask
from tests.chaos.broker import ChaosBroker
from tests.chaos.rig import Rig

ROLES = ("leader", "leader", "follower", "controller", "two", "all")
ANSWER_SECONDS_MAX = 10.0
COORDINATOR_SECONDS_MAX = 60.0


def choose_victims(rig: Rig, rng: random.Random) -> tuple[str, list[ChaosBroker]]:
    """Draw a role and who has it now; of one broker, that one."""
    if len(rig.brokers) == 1:
        return "the only one", list(rig.brokers)
    role = rng.choice(ROLES)
    if role == "all":
        return role, list(rig.brokers)
    if role == "two":
        return role, rng.sample(rig.brokers, 2)
    return role, [one_victim(rig, rng, role)]


def leader_of_any(rig: Rig, rng: random.Random) -> ChaosBroker:
    """The leader of a random partition of the load."""
    admin = AdminClient({"bootstrap.servers": rig.bootstrap, "log_level": 0})
    partitions = admin.list_topics("plain", timeout=ANSWER_SECONDS_MAX).topics["plain"].partitions
    leader: int = rng.choice(list(partitions.values())).leader
    return rig.brokers[leader]


def coordinator_of(rig: Rig, group: str) -> ChaosBroker:
    """Who keeps a group's state now, as any broker says."""
    asked = FindCoordinatorRequest(key_type=0, coordinator_keys=[group])
    deadline = time.monotonic() + COORDINATOR_SECONDS_MAX
    while True:
        for broker in rig.brokers:
            with suppress(NoAnswer):
                (row,) = ask(broker.port, asked).coordinators
                if not row.error_code:
                    found: int = row.node_id
                    return rig.brokers[found]
        assert time.monotonic() < deadline, f"group {group} has no coordinator"
        time.sleep(0.1)


def led_by(rig: Rig, broker: ChaosBroker) -> list[str]:
    """Names of the load's partitions that a broker leads."""
    admin = AdminClient({"bootstrap.servers": rig.bootstrap, "log_level": 0})
    partitions = admin.list_topics("plain", timeout=ANSWER_SECONDS_MAX).topics["plain"].partitions
    return [f"plain-{one.id}" for one in partitions.values() if one.leader == broker.index]


def one_victim(rig: Rig, rng: random.Random, role: str) -> ChaosBroker:
    """Ask the cluster; where it does not answer in time, anyone."""
    anyone = rig.any_broker(rng)
    admin = AdminClient({"bootstrap.servers": rig.bootstrap, "log_level": 0})
    try:
        if role == "controller":
            controller: int = admin.describe_cluster().result(ANSWER_SECONDS_MAX).controller.id
            return rig.brokers[controller]
        metadata = admin.list_topics(timeout=ANSWER_SECONDS_MAX)
    except (KafkaException, TimeoutError):
        return anyone
    partitions = [
        partition
        for topic in metadata.topics.values()
        for partition in topic.partitions.values()
        if partition.leader >= 0
    ]
    if not partitions:
        return anyone
    chosen = rng.choice(partitions)
    followers = [one for one in chosen.replicas if one != chosen.leader]
    wanted = chosen.leader if role == "leader" or not followers else rng.choice(followers)
    return rig.brokers[wanted]
