"""Data directories that are lost, one after the other, under a producer that goes on."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable

from data_plane.agent.admin_state import AdminFailed, roll_view
from data_plane.agent.kafka_admin import AdminAccess, KafkaAdmin
from data_plane.agent.node_agent import NodeAgent
from data_plane.agent.ports import kept_ports
from data_plane.agent.storage import BrokerStorage, ClusterStorage
from data_plane.contract.report import BrokerStatus
from tests.integration.agent.conftest import only_cluster, until

# Different ones, then one that was replaced before, then the one that has just been.
VICTIMS = (0, 1, 2, 1, 1)


def status_of(agent: NodeAgent, broker_id: int) -> BrokerStatus:
    return next(one for one in only_cluster(agent).brokers if one.broker_id == broker_id)


def directory_id(storage: BrokerStorage) -> str:
    return str(json.loads((storage.data / "meta.json").read_text())["directory_id"])


async def lose_directory(agent: NodeAgent, storage: BrokerStorage, seconds_max: float) -> None:
    """Take away all that a broker has stored, then kill it; returns once another process serves.

    In this order: the agent starts it again at once. It may also have noticed the loss before.
    """
    pid = status_of(agent, storage.broker_id).pid
    assert pid is not None
    aside = storage.data.with_name("lost")
    storage.data.rename(aside)  # it still writes; a removal would meet new files
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(aside, ignore_errors=True)

    def is_another() -> bool:
        broker = status_of(agent, storage.broker_id)
        return broker.pid not in (pid, None) and broker.phase == "ready"

    await until(is_another, seconds_max)


def is_whole(agent: NodeAgent, cluster: ClusterStorage, broker_id: int) -> bool:
    """Every replica in sync and three voters that have everything, as the cluster says now.

    What agents report may be from before the loss.
    """
    ports = kept_ports(cluster.broker(broker_id))
    assert ports is not None
    access = AdminAccess(
        bootstrap=[f"127.0.0.1:{ports.admin}"],
        certificate_file=cluster.admin / "client.crt",
        key_file=cluster.admin / "client.key",
        ca_file=cluster.admin / "trusted_ca.crt",
    )
    try:
        admin = KafkaAdmin(access)
    except AdminFailed:
        return False
    try:
        view = roll_view(admin)
    except AdminFailed:
        return False
    finally:
        admin.close()
    return (view.out_of_sync_count, view.voters_behind_count) == (0, 0)


async def lose_in_turn(
    place_of: Callable[[int], tuple[NodeAgent, ClusterStorage]], seconds_max: float
) -> None:
    """Each is lost when the one before is replaced, and the cluster whole again by itself."""
    seen: set[str] = set()
    for broker_id in VICTIMS:
        agent, cluster = place_of(broker_id)
        storage = cluster.broker(broker_id)
        seen.add(directory_id(storage))
        await lose_directory(agent, storage, seconds_max)
        assert directory_id(storage) not in seen
        deadline_s = time.monotonic() + seconds_max
        while not await asyncio.to_thread(is_whole, agent, cluster, broker_id):
            assert time.monotonic() < deadline_s, "the cluster did not become whole again"
            await asyncio.sleep(0.2)
