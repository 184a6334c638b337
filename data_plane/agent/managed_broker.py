"""One broker of this node: its files, ports and process, as seen and as changed."""

import asyncio
import signal
import uuid
from collections.abc import Callable, Mapping
from pathlib import PurePath

from data_plane.agent import sockets, supervise
from data_plane.agent.directories import DirectoryNote
from data_plane.agent.engines.base import BrokerPlace, Engine, PeerPlace, Reading
from data_plane.agent.liveness import Liveness
from data_plane.agent.loopback_http import SECONDS_MAX as PROBE_S_MAX
from data_plane.agent.node import Node
from data_plane.agent.ports import (
    BrokerPorts,
    PortTaken,
    WantedPeerPorts,
    kept_ports,
    mark_served,
)
from data_plane.agent.reconcile import BrokerSeen
from data_plane.agent.restarts import RestartPolicy
from data_plane.agent.storage import (
    BrokerStorage,
    ClusterStorage,
    Digests,
    digests_of,
    write_atomically,
)
from data_plane.agent.supervise import BrokerProcess
from data_plane.contract.report import BrokerStatus, Phase
from data_plane.contract.spec import BrokerSpec, ClusterSpec, MemberSpec

BLOCKED_RETRY_MS = 1000
PROBE_GAP_S_MAX = 5.0  # between two probes of a broker that does not answer


class ManagedBroker:
    def __init__(
        self,
        node: Node,
        engine: Engine,
        cluster: ClusterStorage,
        storage: BrokerStorage,
        wake: Callable[[], None],
    ) -> None:
        limits = node.config.limits
        self._node = node
        self._engine = engine
        self._wake = wake
        self._cluster = cluster
        note = node.storage.directory_note(cluster.root.name, storage.broker_id)
        self._directory = DirectoryNote(note, lambda: str(uuid.uuid4()))
        self._peers: PeerPlace | None = None
        self.storage = storage
        self.policy = RestartPolicy(
            limits.deaths_max, limits.deaths_window_ms, limits.start_delays_ms
        )
        self._liveness = Liveness(
            failures_max=limits.hung_probes_max,
            silent_s_max=limits.hung_s_max,
            probe_s_max=PROBE_S_MAX,
            gap_s_max=PROBE_GAP_S_MAX,
        )
        self.ports: BrokerPorts | None = kept_ports(storage)
        self.process: BrokerProcess | None = self._adopted()
        self._is_adopted_server = self.process is not None and bool(
            self.ports and self.ports.has_served
        )
        self.is_ready = False
        self.has_served = False  # this process, once: now silent, it hangs and does not start
        self.is_draining = False
        self.version = ""  # of the software, as the process said
        self._is_adopted = self.process is not None  # and so may run other software than ours
        self.starting_since_ms = node.now_ms()
        self.port_note = ""  # a taken port that was stepped aside from
        self.port_problem = ""  # a taken port that keeps the broker from starting
        self.death = ""  # how it died last, in words
        self._blocked_until_ms = 0
        self._wanted: tuple[ClusterSpec, BrokerPlace, Digests] | None = None

    @property
    def broker_id(self) -> int:
        return self.storage.broker_id

    @property
    def _marker(self) -> str:
        return self._engine.marker(self.storage)

    def _adopted(self) -> BrokerProcess | None:
        return supervise.adopt(self.storage, self._marker, self._engine.reloaded, self._wake)

    # -- seen -----------------------------------------------------------------------------------

    async def seen(self, cluster: ClusterSpec, check_files: bool) -> BrokerSeen:
        """How it is now. Raises SecretUnopened where the spec's key is not for this node."""
        await self._look()
        self._peers = self._peer_place(cluster)
        spec = broker_spec(cluster, self.broker_id)
        wanted = self._wanted_digests(cluster, spec) if spec else Digests()
        is_known = wanted != Digests()
        return BrokerSeen(
            is_running=self.process is not None,
            is_ready=self.is_ready,
            has_served=self.has_served or self._is_adopted_server,
            is_hung=self._liveness.is_hung,
            is_outdated=self._is_outdated(cluster),
            has_ever_served=bool(self.ports and self.ports.has_served),
            is_formatted=self._engine.formatted_as(self.storage) is not None,
            may_start=self.policy.may_start(self._node.now_ms())
            and self._node.now_ms() >= self._blocked_until_ms,
            has_ports=self.ports is not None
            and (cluster.peers != "tls" or bool(self.ports.internal and self.ports.quorum)),
            has_read=self.process.has_read if self.process else Digests(),
            on_disk=self._digests_on_disk(cluster) if is_known and check_files else wanted,
            wanted=wanted,
        )

    def _is_outdated(self, cluster: ClusterSpec) -> bool:
        """Its process was started by an agent of other software, and this one's is asked for.

        What this agent has started it would start again the same.
        """
        own = self._engine.software_version
        is_ours = cluster.software_version in ("", own)
        return self._is_adopted and self.is_ready and is_ours and self.version != own

    async def _look(self) -> None:
        if self.process is not None and not self.process.is_alive():
            self._note_death(self.process)
        if self.process is None or self.is_ready or self.ports is None:
            return
        if await self._probed(self.process, self.ports):
            self.is_ready = self.has_served = True
            self.process.mark_served(self.storage)
            self.ports = mark_served(self.storage, self.ports)
            self.port_problem = ""

    async def _probed(self, process: BrokerProcess, ports: BrokerPorts) -> bool:
        """Whether it serves; notes on the way if it hangs, once it has served."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        probe = await self._engine.probe(self._place(ports))
        if probe.has_answered or not process.has_served:
            self._liveness.reset()
        else:
            self._liveness.failed(began_s, loop.time())
        if probe.is_ready:
            self.version = probe.version
        return probe.is_ready

    async def answers(self) -> bool:
        return (
            self.ports is not None and (await self._engine.probe(self._place(self.ports))).is_ready
        )

    def _note_death(self, process: BrokerProcess) -> None:
        ended = "" if process.exit_status is None else f" with status {process.exit_status}"
        self._died(process, f"broker {self.broker_id} ended{ended}")

    def _died(self, process: BrokerProcess, how: str) -> None:
        process.forget()
        self.process, self.is_ready, self.has_served = None, False, False
        self.policy.died(self._node.now_ms())
        self._liveness.reset()
        said = supervise.last_log_line(self.storage)
        self.death = how + (f"; it said: {said}" if said else "")

    def _wanted_digests(self, cluster: ClusterSpec, spec: BrokerSpec) -> Digests:
        """Remembered per spec and ports, so that the key is opened only when something changed."""
        if self.ports is None:
            return Digests()
        held, place = self._wanted, self._place(self.ports)
        if held is None or held[0] is not cluster or held[1] != place:
            digests = digests_of(self._files(cluster, spec, self.ports), self._engine.reloaded)
            held = self._wanted = (cluster, place, digests)
        return held[2]

    def _digests_on_disk(self, cluster: ClusterSpec) -> Digests:
        spec = broker_spec(cluster, self.broker_id)
        if spec is None or self.ports is None:
            return Digests()
        names = self._files(cluster, spec, self.ports).keys()
        try:
            files = {name: (self.storage.config / name).read_bytes() for name in names}
        except OSError:
            return Digests()
        return digests_of(files, self._engine.reloaded)

    def _files(
        self, cluster: ClusterSpec, spec: BrokerSpec, ports: BrokerPorts
    ) -> Mapping[PurePath, bytes]:
        key = self._node.open_secret(spec.key)
        return self._engine.files(cluster, spec, key, self._place(ports))

    def _place(self, ports: BrokerPorts) -> BrokerPlace:
        return BrokerPlace(self.storage, ports, self._node.config.bind_host, self._peers)

    def _peer_place(self, cluster: ClusterSpec) -> PeerPlace | None:
        """Looked at anew each time: a directory may be lost while its broker runs."""
        member = member_spec(cluster, self.broker_id)
        if member is None:
            return None
        directory_id = self._directory.current(
            member.directory_id,
            self._engine.formatted_as(self.storage),
        )
        where = sockets.socket_directory(self._cluster)
        return PeerPlace(self._node.node_id, directory_id, where)

    async def readings(self) -> tuple[Reading, ...]:
        """What it counts; notes on the way whether it still answers."""
        if self.process is None or self.ports is None or not self.is_ready:
            return ()
        place = self._place(self.ports)
        readings = tuple(await self._engine.readings(place, self.process.pid))
        if not readings:
            self.is_ready = False  # asked again at the next look
        return readings

    # -- changed --------------------------------------------------------------------------------

    def prepare_ports(self, cluster: ClusterSpec) -> None:
        """Raises PortTaken; the broker is then left alone for a second."""
        spec = broker_spec(cluster, self.broker_id)
        try:
            picked = self._node.ports.prepare(
                self.storage, spec.port if spec else 0, self._wanted_peer_ports(cluster)
            )
        except PortTaken as problem:
            self.port_problem = str(problem)
            self.process = self._adopted()  # the holder may be this very broker, lost sight of
            self._blocked_until_ms = self._node.now_ms() + BLOCKED_RETRY_MS
            raise
        self.ports, self.port_problem = picked.ports, ""
        self.port_note = picked.note or self.port_note

    def reserve_peer_ports(self) -> None:
        """Those that a running broker will listen at from its next start. Raises PortTaken."""
        assert self.ports is not None, "it runs"
        self.ports = self._node.ports.reserve_peers(self.storage, self.ports)

    def _wanted_peer_ports(self, cluster: ClusterSpec) -> WantedPeerPorts | None:
        if cluster.peers != "tls":
            return None
        member = member_spec(cluster, self.broker_id)
        if member is None:
            return WantedPeerPorts()
        return WantedPeerPorts(member.internal_port, member.quorum_port)

    def write_files(self, cluster: ClusterSpec) -> None:
        """Write what differs; every file 0600, as one of them is a key."""
        spec = broker_spec(cluster, self.broker_id)
        assert spec is not None
        assert self.ports is not None
        self.storage.create()
        if self._peers is not None:
            sockets.prepare(self._peers.sockets)
        for name, content in self._files(cluster, spec, self.ports).items():
            write_atomically(self.storage.config / name, content)

    def start(self, cluster: ClusterSpec) -> None:
        spec = broker_spec(cluster, self.broker_id)
        assert spec is not None
        assert self.ports is not None
        self.bound_log()
        self.process = supervise.start(
            self.storage,
            self._engine.argv(self._place(self.ports)),
            self._marker,
            self._wanted_digests(cluster, spec),
            self._wake,
        )
        self._is_adopted_server = self._is_adopted = False
        self._liveness.reset()
        self.policy.started()
        self.is_ready = False
        self.starting_since_ms = self._node.now_ms()

    def reload(self, cluster: ClusterSpec) -> None:
        """Have the process read its certificates anew; `write_files` has written them."""
        spec = broker_spec(cluster, self.broker_id)
        if spec is not None and self.process is not None:
            self.process.reload(self.storage, self._wanted_digests(cluster, spec))

    def bound_log(self) -> None:
        supervise.bound_log(self.storage, self._node.config.limits.log_bytes_max)

    async def end_hung(self) -> None:
        """End a process that answers nothing any more; counted as a death of its own."""
        if self.process is None or not self._liveness.is_hung:
            return
        silent_s = self._liveness.silent_s
        by_itself = await self.process.stop(self._node.config.limits.hung_stop_s_max)
        last = "SIGTERM" if by_itself else "SIGKILL"
        self._died(
            self.process,
            f"broker {self.broker_id} did not answer for {silent_s:.0f} s and was ended ({last})",
        )
        self.storage.process.unlink(missing_ok=True)

    async def stop(self, *, with_all: bool = False) -> None:
        """with_all: so do all others on this node."""
        if self.process is None:
            return
        number = self._engine.stop_of_all(self.storage) if with_all else signal.SIGTERM
        self._liveness.reset()
        self.is_ready, self.has_served, self.is_draining = False, False, True
        try:
            await self.process.stop(self._node.config.limits.stop_s_max, number)
        finally:
            self.is_draining = False
        self.process = None
        self.storage.process.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything it has on this machine; it must have been stopped."""
        self.forget()
        self._node.ports.forget(self.storage)
        self._directory.forget()
        self.storage.remove()

    def forget(self) -> None:
        """Let go of a process that goes on without this agent."""
        if self.process is not None:
            self.process.forget()

    # -- told -----------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        if self.is_draining:
            return "draining"
        if self.process is not None:
            return "ready" if self.is_ready else "starting"
        return "failed" if self.policy.is_crash_loop else "pending"

    def status(self) -> BrokerStatus:
        return BrokerStatus(
            broker_id=self.broker_id,
            phase=self.phase,
            port=self.ports.client if self.ports else None,
            internal_port=(self.ports.internal or None) if self.ports else None,
            quorum_port=(self.ports.quorum or None) if self.ports else None,
            pid=self.process.pid if self.process else None,
            restarts=self.policy.restarts,
            software_version=self.version if self.process else "",
        )


def broker_spec(cluster: ClusterSpec, broker_id: int) -> BrokerSpec | None:
    return next((spec for spec in cluster.brokers if spec.broker_id == broker_id), None)


def member_spec(cluster: ClusterSpec, broker_id: int) -> MemberSpec | None:
    return next((one for one in cluster.members if one.broker_id == broker_id), None)


def candidates_of(cluster: ClusterSpec) -> frozenset[int]:
    """Brokers that only hold their ports yet."""
    return frozenset(broker.broker_id for broker in cluster.brokers if broker.is_candidate)
