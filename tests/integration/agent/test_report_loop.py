"""The agent process and a control plane over real HTTP: registration, specs, reports, outages."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data_plane.agent.processes import start_mark
from data_plane.contract.report import NodeReport
from data_plane.contract.spec import ClusterSpec
from tests.fakes.certificates import CertificateAuthority
from tests.fakes.control_plane import TOKEN, FakeControlPlane
from tests.integration.agent.processes import AgentProcess, cluster_for


def wait_for(plane: FakeControlPlane, is_true: Callable[[NodeReport], bool]) -> NodeReport:
    """The first report, from now on or the last one, of which `is_true` holds."""
    with plane.news:
        seen = max(0, len(plane.reports) - 1)
        found: list[NodeReport] = []

        def has_come() -> bool:
            found.extend(report for report in plane.reports[seen:] if is_true(report))
            return bool(found)

        assert plane.news.wait_for(has_come, 20), "the report awaited did not come"
        return found[0]


def is_ready(generation: int = 1) -> Callable[[NodeReport], bool]:
    return lambda report: any(
        cluster.phase == "ready" and cluster.observed_generation == generation
        for cluster in report.clusters
    )


def pid_in(report: NodeReport) -> int:
    pid = report.clusters[0].brokers[0].pid
    assert pid is not None
    return pid


def test_it_registers_runs_the_spec_and_reports(agent: AgentProcess) -> None:
    with FakeControlPlane() as plane:
        agent.start(plane.url)
        spec = published(plane)
        report = wait_for(plane, is_ready())
        assert report.node_id == plane.node_id
        assert report.observed_generation == 1
        assert report.disk_total_bytes > 0
        assert plane.registration is not None
        assert plane.registration.name == "node-1"
        assert wait_for(plane, lambda later: bool(later.samples))
        plane.publish(spec.model_copy(update={"desired": "absent", "generation": 2}))
        wait_for(plane, lambda later: [c.phase for c in later.clusters] == ["absent"])
        assert not plane.refused
        assert TOKEN not in agent.command_line()
        agent.stop()
        assert agent.status == 0


def published(plane: FakeControlPlane) -> ClusterSpec:
    """Wait for the registration, then publish one cluster sealed to the registered key."""
    with plane.news:
        assert plane.news.wait_for(lambda: plane.registration is not None, 20)
    assert plane.registration is not None
    spec = cluster_for(plane.registration.sealing_public_key, plane.node_id)
    plane.publish(spec)
    return spec


def test_without_the_control_plane_brokers_are_kept_from_the_spec_on_disk(
    agent: AgentProcess,
) -> None:
    """C7: plane gone, agent killed, broker killed: all of it comes back from disk."""
    with FakeControlPlane() as plane:
        agent.start(plane.url)
        published(plane)
        pid = pid_in(wait_for(plane, is_ready()))
    agent.kill()
    agent.kill_process(pid)
    agent.start(plane.url)
    new_pid = agent.broker_pid(other_than=pid)
    with FakeControlPlane(port=plane.port) as returned:
        returned.continue_as(plane)
        report = wait_for(returned, lambda later: is_ready()(later) and pid_in(later) == new_pid)
        assert report.observed_generation == 1
        assert not returned.refused


def test_a_killed_agent_leaves_the_broker_to_the_next_one(agent: AgentProcess) -> None:
    with FakeControlPlane() as plane:
        agent.start(plane.url)
        spec = published(plane)
        pid = pid_in(wait_for(plane, is_ready()))
        agent.kill()
        assert start_mark(pid) is not None
        agent.start(plane.url)
        plane.publish(spec.model_copy(update={"generation": 2}))
        report = wait_for(plane, is_ready(2))
        assert pid_in(report) == pid
        assert report.clusters[0].brokers[0].restarts == 0


def test_a_second_agent_on_the_directory_is_refused(agent: AgentProcess) -> None:
    with FakeControlPlane() as plane:
        agent.start(plane.url)
        published(plane)
        wait_for(plane, is_ready())
        second = AgentProcess(agent.root)
        second.start(plane.url)
        assert second.wait() != 0
        assert f"another agent already uses {agent.root}" in second.output()
        assert agent.is_running()


def test_stopping_may_take_the_brokers_along(agent: AgentProcess) -> None:
    with FakeControlPlane() as plane:
        agent.start(plane.url, "--stop-brokers-on-exit")
        published(plane)
        pid = pid_in(wait_for(plane, is_ready()))
        agent.stop()
        assert agent.status == 0
        assert start_mark(pid) is None


def test_brokers_of_a_killed_agent_can_be_stopped(agent: AgentProcess) -> None:
    with FakeControlPlane() as plane:
        agent.start(plane.url)
        published(plane)
        pid = pid_in(wait_for(plane, is_ready()))
        refused = agent.stop_command()
        assert refused.returncode == 1
        assert "another agent already uses" in refused.stderr
        agent.kill()
        done = agent.stop_command()
        assert (done.returncode, done.stdout) == (0, "stopped 1 broker; data kept\n")
        assert start_mark(pid) is None


def test_a_refused_token_is_said_and_a_fresh_one_taken(agent: AgentProcess) -> None:
    with FakeControlPlane() as plane:
        agent.token_file.write_text("used before")
        agent.start(plane.url)
        agent.wait_for_output("The node token is unknown.")
        assert "used before" not in agent.output()
        agent.token_file.chmod(0o644)
        agent.wait_for_output("is readable by others: chmod 600")
        agent.token_file.write_text(TOKEN)
        agent.token_file.chmod(0o600)
        published(plane)
        wait_for(plane, is_ready())


def test_an_older_generation_is_left_aside(agent: AgentProcess) -> None:
    """A control plane brought back from an old backup changes nothing."""
    with FakeControlPlane() as plane:
        agent.start(plane.url)
        spec = published(plane)
        plane.publish(spec.model_copy(update={"generation": 2}), generation=5)
        pid = pid_in(wait_for(plane, is_ready(2)))
    with FakeControlPlane(port=plane.port) as older:
        older.continue_as(plane)
        older.publish(spec.model_copy(update={"desired": "absent"}), generation=3)
        report = wait_for(older, is_ready(2))
        assert (report.observed_generation, pid_in(report)) == (5, pid)


@pytest.mark.parametrize("is_trusted", [True, False])
def test_the_control_plane_must_prove_its_name(agent: AgentProcess, is_trusted: bool) -> None:
    authority, other = CertificateAuthority(), CertificateAuthority()
    context = server_context(agent.root.parent, authority)
    (agent.root.parent / "ca.crt").write_text((authority if is_trusted else other).certificate_pem)
    with FakeControlPlane(tls=context) as plane:
        agent.start(plane.url, f"--ca-file={agent.root.parent / 'ca.crt'}")
        if is_trusted:
            published(plane)
            wait_for(plane, is_ready())
        else:
            agent.wait_for_output("CERTIFICATE_VERIFY_FAILED")
            assert plane.registration is None


def server_context(directory: Path, authority: CertificateAuthority) -> ssl.SSLContext:
    pair = authority.server()
    (directory / "server.pem").write_text(pair.certificate_pem + pair.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    return context


def test_status_is_served_on_loopback(agent: AgentProcess) -> None:
    with FakeControlPlane() as plane:
        agent.start(plane.url)
        published(plane)
        wait_for(plane, is_ready())
        assert agent.status_page("/healthz") == {"status": "ok"}
        page = agent.status_page("/v1/status")
        assert page["node_id"] == plane.node_id
        assert page["is_connected"] is True
        assert "key of" not in str(page)
        assert agent.status_page("/other")["id"] == "not_found"


def test_a_spec_that_is_no_spec_is_survived(agent: AgentProcess) -> None:
    with FakeControlPlane() as plane:
        agent.start(plane.url)
        spec = published(plane)
        wait_for(plane, is_ready())
        with plane.news:
            plane.strange_spec = {"node_id": plane.node_id, "clusters": [{"unknown": 1}]}
            plane.news.notify_all()
        agent.wait_for_output("something that is no NodeSpec")
        plane.strange_spec = None
        plane.publish(spec.model_copy(update={"generation": 2}), generation=3)
        wait_for(plane, is_ready(2))


def test_reports_go_on_within_their_interval(agent: AgentProcess) -> None:
    with FakeControlPlane() as plane:
        agent.start(plane.url)
        published(plane)
        wait_for(plane, is_ready())
        first = len(plane.reports)
        deadline = time.monotonic() + 20
        while len(plane.reports) < first + 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
