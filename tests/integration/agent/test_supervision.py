"""One node's clusters from spec to processes and back, with a scripted broker process."""

import asyncio
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from data_plane.agent.node_agent import NodeAgent
from data_plane.agent.processes import start_mark
from data_plane.agent.specs import SpecRefused
from data_plane.contract.spec import TopicSpec
from tests.integration.agent.conftest import (
    NODE_ID,
    TestNode,
    condition_of,
    is_applied,
    only_cluster,
    said_of,
    until,
)


def pid_of(agent: NodeAgent) -> int:
    pid = only_cluster(agent).brokers[0].pid
    assert pid is not None
    return pid


def test_a_spec_becomes_a_serving_broker_with_its_topics(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        topics = [TopicSpec(name="flights", partition_count=8, replication_factor=1)]
        assert agent.accept(node.spec(node.cluster(topics=topics)))
        await until(lambda: is_applied(agent, 1))
        status = only_cluster(agent)
        assert [(topic.name, topic.partition_count) for topic in status.topics] == [("flights", 8)]
        port = status.brokers[0].port
        assert port is not None
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass

    node.run(scenario)


def test_secrets_lie_in_private_files_and_not_in_argv(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: is_applied(agent, 1))
        files = [path for path in node.root.rglob("*") if path.is_file()]
        for path in files:
            if b"key of" in path.read_bytes():
                assert path.stat().st_mode & 0o777 == 0o600, path
        process = psutil.Process(pid_of(agent))
        assert "key of" not in f"{process.cmdline()} {process.environ()}"
        assert b"key of" not in (node.root / "spec.json").read_bytes()

    node.run(scenario)


def test_the_same_spec_twice_does_nothing(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        spec = node.spec(node.cluster())
        agent.accept(spec)
        await until(lambda: is_applied(agent, 1))
        pid, calls = pid_of(agent), list(node.admin.calls)
        assert agent.accept(spec) is False
        assert agent.accept(node.spec(node.cluster())) is True  # a newer node, the same cluster
        worker = agent._workers[node.cluster_id]
        steps = worker.steps_taken
        worker.wake()
        await asyncio.sleep(0.3)
        assert (worker.steps_taken, pid_of(agent), node.admin.calls) == (steps, pid, calls)

    node.run(scenario)


def test_an_older_generation_is_refused(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster(generation=2), generation=7))
        with pytest.raises(SpecRefused, match="generation 6 is older than 7"):
            agent.accept(node.spec(generation=6))
        with pytest.raises(SpecRefused, match="generation 1 of cluster"):
            agent.accept(node.spec(node.cluster(generation=1), generation=8))
        await until(lambda: is_applied(agent, 2))

    node.run(scenario)


def test_a_killed_broker_is_started_again(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: is_applied(agent, 1))
        before, port = pid_of(agent), only_cluster(agent).brokers[0].port
        os.kill(before, signal.SIGKILL)
        await until(lambda: only_cluster(agent).brokers[0].restarts == 1)
        await until(lambda: only_cluster(agent).phase == "ready")
        assert pid_of(agent) != before
        assert only_cluster(agent).brokers[0].port == port

    node.run(scenario)


def test_a_hanging_broker_is_told_from_a_starting_one(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: is_applied(agent, 1))
        os.kill(pid_of(agent), signal.SIGSTOP)
        node.admin.is_gone = True
        await until(lambda: condition_of(agent, "Ready") == "NotAnswering")
        assert only_cluster(agent).phase == "starting"
        os.kill(pid_of(agent), signal.SIGCONT)
        node.admin.is_gone = False
        await until(lambda: only_cluster(agent).phase == "ready")
        assert only_cluster(agent).brokers[0].restarts == 0

    node.run(scenario)


def test_a_broker_that_hangs_is_ended_and_started_again(node: TestNode) -> None:
    """It was stopped and takes no SIGTERM; and again, by an agent that only adopted it."""
    node.limits = replace(node.limits, hung_probes_max=2, hung_s_max=1.0, hung_stop_s_max=0.2)

    async def hang(agent: NodeAgent, restarts: int) -> None:
        before = pid_of(agent)
        os.kill(before, signal.SIGSTOP)
        await until(lambda: only_cluster(agent).brokers[0].restarts == restarts)
        await until(lambda: only_cluster(agent).phase == "ready")
        assert pid_of(agent) != before
        assert not psutil.pid_exists(before) or start_mark(before) is None

    async def first(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: is_applied(agent, 1))
        os.kill(pid_of(agent), signal.SIGSTOP)
        await until(lambda: "did not answer for" in said_of(agent, "Ready"))
        await until(lambda: only_cluster(agent).phase == "ready")
        assert only_cluster(agent).brokers[0].restarts == 1
        await hang(agent, 2)
        os.kill(pid_of(agent), signal.SIGSTOP)  # as the next agent finds it

    async def second(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: only_cluster(agent).brokers[0].restarts == 1)
        await until(lambda: only_cluster(agent).phase == "ready")

    node.run(first, stop=False)
    node.run(second)


def test_a_broker_that_hangs_again_and_again_is_a_crash_loop(node: TestNode) -> None:
    """`script.mute`: it serves once, then answers nothing."""
    node.limits = replace(
        node.limits, hung_probes_max=2, hung_s_max=0.1, hung_stop_s_max=1.0, deaths_max=2
    )

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster(broker_configs={"script.mute": "1"})))
        await until(lambda: condition_of(agent, "CrashLoop") == "CrashLoop")
        assert only_cluster(agent).phase == "failed"
        assert "did not answer for" in said_of(agent, "CrashLoop")

    node.run(scenario)


def test_a_broker_that_never_served_may_take_its_time(node: TestNode) -> None:
    """It recovers, for all that anybody knows, however long it says nothing."""
    node.limits = replace(node.limits, hung_probes_max=2, hung_s_max=0.1, hung_stop_s_max=0.2)

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster(broker_configs={"script.start.s": "3"})))
        pids: set[int | None] = set()

        def is_there() -> bool:
            pids.update(broker.pid for broker in only_cluster(agent).brokers)
            return is_applied(agent, 1)

        await until(is_there)
        assert pids - {None} == {pid_of(agent)}

    node.run(scenario)


def test_changed_files_restart_and_changed_topics_do_not(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: is_applied(agent, 1))
        first = pid_of(agent)
        topics = [TopicSpec(name="a", partition_count=1, replication_factor=1)]
        agent.accept(node.spec(node.cluster(generation=2, topics=topics)))
        await until(lambda: is_applied(agent, 2))
        assert pid_of(agent) == first
        agent.accept(node.spec(node.cluster(generation=3, trusted_ca_pem="another")))
        await until(lambda: is_applied(agent, 3))
        assert pid_of(agent) == first, "certificates are reloaded"
        (broker,) = node.storage.brokers()
        await until(lambda: broker.log.read_text().count("reloaded") == 1)
        configs = {"script.count": "1"}
        agent.accept(node.spec(node.cluster(generation=4, broker_configs=configs)))
        await until(lambda: is_applied(agent, 4))
        assert pid_of(agent) != first
        assert only_cluster(agent).brokers[0].restarts == 0  # asked for, not a death

    node.run(scenario)


def test_a_crash_loop_stops_and_says_why(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        secret = "A" * 60
        crash = {"script.crash": f"cannot read {secret}: disk is broken"}
        agent.accept(node.spec(node.cluster(broker_configs=crash)))
        await until(lambda: condition_of(agent, "CrashLoop") == "CrashLoop")
        status = only_cluster(agent)
        assert (status.phase, status.brokers[0].phase) == ("failed", "failed")
        (ready,) = [each for each in status.conditions if each.name == "Ready"]
        assert (ready.status, ready.reason) == (False, "CrashLoop")
        assert "with status 3" in ready.message
        assert "disk is broken" in ready.message
        assert secret not in ready.message
        worker = agent._workers[node.cluster_id]
        steps = worker.steps_taken
        worker.wake()
        await asyncio.sleep(0.3)
        assert worker.steps_taken == steps  # it stays stopped
        agent.accept(node.spec(node.cluster(generation=2)))
        await until(lambda: is_applied(agent, 2))
        assert condition_of(agent, "CrashLoop") == ""

    node.run(scenario)


def test_a_taken_port_is_stepped_aside_before_the_first_start(node: TestNode) -> None:
    taken = node.ports.first
    with socket.create_server(("127.0.0.1", taken)):

        async def scenario(agent: NodeAgent) -> None:
            agent.accept(node.spec(node.cluster()))
            await until(lambda: is_applied(agent, 1))
            port = only_cluster(agent).brokers[0].port
            assert port != taken
            (said,) = [c for c in only_cluster(agent).conditions if c.name == "PortTaken"]
            assert (
                said.message
                == (
                    f"port {taken} is held by another process on this machine; broker 0 uses {port}"
                )
                or f"broker 0 uses {port}" in said.message
            )

        node.run(scenario)


def test_a_kept_port_that_is_taken_is_waited_for(node: TestNode) -> None:
    ports: list[int] = []

    async def first(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: is_applied(agent, 1))
        ports.append(only_cluster(agent).brokers[0].port or 0)

    node.run(first)
    with socket.create_server(("127.0.0.1", ports[0])):

        async def blocked(agent: NodeAgent) -> None:
            await until(lambda: condition_of(agent, "PortTaken") == "PortTaken")
            assert only_cluster(agent).phase == "pending"
            assert condition_of(agent, "Ready") == "PortTaken"

        node.run(blocked)

    async def freed(agent: NodeAgent) -> None:
        await until(lambda: is_applied(agent, 1))
        assert only_cluster(agent).brokers[0].port == ports[0]
        assert condition_of(agent, "PortTaken") == ""

    node.run(freed)


def test_a_secret_for_another_node_is_a_clear_condition(node: TestNode, tmp_path: Path) -> None:
    other = TestNode(tmp_path / "other")

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster(brokers=[other.broker()])))
        await until(lambda: condition_of(agent, "SecretUnopened") == "SecretUnopened")
        assert only_cluster(agent).phase == "failed"
        agent.accept(node.spec(node.cluster(generation=2)))
        await until(lambda: is_applied(agent, 2))
        assert condition_of(agent, "SecretUnopened") == ""

    node.run(scenario)


def test_absent_leaves_no_process_port_or_file(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: is_applied(agent, 1))
        pid, port = pid_of(agent), only_cluster(agent).brokers[0].port
        assert port is not None
        agent.accept(node.spec(node.cluster(generation=2, desired="absent", brokers=[])))
        await until(lambda: only_cluster(agent).phase == "absent")
        status = only_cluster(agent)
        assert (status.observed_generation, status.brokers, status.topics) == (2, [], [])
        assert start_mark(pid) is None
        assert not (node.root / "clusters" / node.cluster_id).exists()
        with socket.create_server(("127.0.0.1", port)):
            pass
        agent.accept(node.spec())
        assert agent.report().clusters == []

    node.run(scenario)


def test_a_deaf_broker_is_killed_in_the_end(node: TestNode) -> None:
    node.limits = replace(node.limits, stop_s_max=0.2)

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster(broker_configs={"script.deaf": "yes"})))
        await until(lambda: is_applied(agent, 1))
        pid = pid_of(agent)
        agent.accept(node.spec(node.cluster(generation=2, desired="absent")))
        await until(lambda: only_cluster(agent).phase == "absent")
        assert start_mark(pid) is None

    node.run(scenario)


def test_a_forgotten_cluster_keeps_running(node: TestNode) -> None:
    """Only the word `absent` removes a cluster: what vanished from a spec may hold data."""
    pids: list[int] = []

    async def forgotten(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: is_applied(agent, 1))
        pids.append(pid_of(agent))
        agent.accept(node.spec())
        assert pid_of(agent) == pids[0]
        os.kill(pids[0], signal.SIGKILL)
        await until(lambda: only_cluster(agent).brokers[0].restarts == 1)

    node.run(forgotten)

    async def after_a_restart(agent: NodeAgent) -> None:
        await until(lambda: only_cluster(agent).phase == "ready")

    node.run(after_a_restart)


def test_a_running_broker_is_adopted(node: TestNode) -> None:
    pids: list[int] = []

    async def first(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: is_applied(agent, 1))
        pids.append(pid_of(agent))

    async def second(agent: NodeAgent) -> None:
        await until(lambda: is_applied(agent, 1))
        assert pid_of(agent) == pids[0]
        assert agent.report().observed_generation == node.generation
        os.kill(pids[0], signal.SIGKILL)  # and it is watched as if it were the agent's own
        await until(lambda: only_cluster(agent).brokers[0].restarts == 1)
        await until(lambda: only_cluster(agent).phase == "ready")

    node.run(first, stop=False)
    (broker,) = node.storage.brokers()
    broker.process.unlink()  # killed between the start and the note: found by its command line

    async def between(agent: NodeAgent) -> None:
        await until(lambda: only_cluster(agent).brokers[0].pid is not None)

    node.run(between, stop=False)
    node.run(second)


def test_a_broker_lost_sight_of_is_found_by_its_port(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: is_applied(agent, 1))
        pid = pid_of(agent)
        broker = agent._workers[node.cluster_id]._brokers[0]
        broker.forget()
        broker.process, broker.is_ready = None, False
        agent._workers[node.cluster_id].wake()
        await until(lambda: only_cluster(agent).phase == "ready")
        assert pid_of(agent) == pid
        assert condition_of(agent, "PortTaken") == ""

    node.run(scenario)


def test_each_start_makes_one_process(node: TestNode) -> None:
    """A child whose command line cannot be read yet is not mistaken for a dead one."""

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: is_applied(agent, 1))
        for generation in range(2, 12):
            spec = node.cluster(generation, broker_configs={"script.count": str(generation)})
            agent.accept(node.spec(spec))
            await until(lambda wanted=generation: is_applied(agent, wanted))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        marker = str(next(node.storage.brokers()).config / "broker.json")
        running = [each.pid for each in psutil.process_iter() if marker in words_of(each)]
        assert running == [pid_of(agent)]

    node.run(scenario)


def words_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_damaged_files_are_written_again_without_a_restart(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        agent.accept(node.spec(node.cluster()))
        await until(lambda: is_applied(agent, 1))
        pid = pid_of(agent)
        (broker,) = node.storage.brokers()
        certificate = broker.config / "server.crt"
        certificate.write_text("changed by hand")
        await until(lambda: certificate.read_text() == "certificate")
        certificate.unlink()
        await until(certificate.exists)
        assert pid_of(agent) == pid

    node.run(scenario)


def test_admin_failures_are_reported_and_repeated(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        node.admin.is_gone = True
        agent.accept(node.spec(node.cluster()))
        await until(lambda: condition_of(agent, "TopicsApplied") == "AdminUnreachable")
        assert only_cluster(agent).observed_generation == 0
        node.admin.is_gone = False
        await until(lambda: is_applied(agent, 1))

    node.run(scenario)


def test_a_refused_topic_is_named(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        node.admin.refusals["bad"] = "Unknown topic config name: x"
        topics = [
            TopicSpec(name="bad", partition_count=1, replication_factor=1, configs={"x": "1"}),
            TopicSpec(name="good", partition_count=1, replication_factor=1),
        ]
        agent.accept(node.spec(node.cluster(topics=topics)))
        await until(lambda: condition_of(agent, "TopicsApplied") == "Refused")
        status = only_cluster(agent)
        assert {topic.name: topic.error for topic in status.topics} == {
            "bad": "Unknown topic config name: x",
            "good": "",
        }
        assert status.observed_generation == 0

    node.run(scenario)


def test_samples_are_numbered_and_sizes_reported(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        topics = [TopicSpec(name="flights", partition_count=1, replication_factor=1)]
        agent.accept(node.spec(node.cluster(topics=topics)))
        await until(lambda: is_applied(agent, 1))
        await until(lambda: [t.size_bytes for t in only_cluster(agent).topics] == [42])
        samples = agent.report().samples
        numbers = [sample.sequence for sample in samples]
        assert numbers == sorted(set(numbers))
        assert {"topics", "bytes_in_total", "resident_bytes"} <= {s.name for s in samples}
        agent.reported(agent.report())
        assert not set(numbers) & {sample.sequence for sample in agent.report().samples}

    node.run(scenario)


def test_a_cluster_that_cannot_run_here_is_refused(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        spec = node.cluster().model_copy(update={"cluster_id": "../../etc"})
        agent.accept(node.spec(spec, node.cluster().model_copy(update={"engine": "apache-kafka"})))
        statuses = agent.report().clusters
        assert [status.phase for status in statuses] == ["failed", "failed"]
        assert {c.reason for s in statuses for c in s.conditions} == {"SpecRefused"}

    node.run(scenario)


def test_a_spec_for_another_node_is_refused(node: TestNode) -> None:
    async def scenario(agent: NodeAgent) -> None:
        spec = node.spec().model_copy(update={"node_id": NODE_ID.replace("7", "8")})
        with pytest.raises(SpecRefused, match="spec is for node"):
            agent.accept(spec)

    node.run(scenario)
