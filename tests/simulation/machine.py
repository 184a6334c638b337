"""One machine of the cluster's world: a disk that stays, and whole brokers that come and go.

What the broker's process does with threads and sockets (server/process.py, server/quorum_thread.py)
is done here in events: the quorum and the broker have turns of their own and post to each other, in
order.
"""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar, cast
from uuid import UUID

from data_plane.broker.broker import Broker
from data_plane.broker.config import BrokerConfig, InitialVoter, PeerListenerConfig
from data_plane.broker.dispatch import Session
from data_plane.broker.loopback import INTERNAL_LISTENER, ask_self, internal_session
from data_plane.broker.membership import Membership
from data_plane.broker.metadata_host import MetadataHost
from data_plane.broker.startup import open_controller, open_log_dir, recovered, registration_of
from data_plane.broker.voter_changes import VoterChanges
from data_plane.log.failures import LogFailure
from data_plane.log.log_dir import QUARANTINE_NAME
from data_plane.log.manifest import PartitionKey
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.records import BrokerListener
from data_plane.protocol.messages.broker_heartbeat import BrokerHeartbeatRequestTopic
from data_plane.raft.codec import decode_message, encode_message
from data_plane.raft.messages import SEEDS, Message
from data_plane.raft.timing import Timing
from data_plane.replication.waiting import Parked
from data_plane.security.principals import ANONYMOUS
from data_plane.server.clock import Clock
from data_plane.server.quorum_thread import QuorumFront, QuorumThread
from tests.simulation.clock import NodeClock, Schedule
from tests.simulation.disk import DiskQueue, SimulatedCleaner, SimulatedDisk
from tests.simulation.network import SimulatedNetwork
from tests.simulation.rare_paths import LATE_POSTS, LATE_TIMERS, late_ms
from tests.simulation.serving import Served, SimulatedPeers
from tests.simulation.streams import Connection, Streams

R = TypeVar("R")
Act = Callable[[], None]

CLUSTER_ID = "simulated"
EPOCH_MS = 1_700_000_000_000
QUORUM_TICK_MS_MAX = 250
BROKER_TICK_MS_MAX = 1_000
QUORUM_TIMING = Timing(heartbeat_ms=250)  # 150 ms would be a third of a world's messages.
REFUSED_TWICE_MS = 300  # a dead process's peers know it by then (durability.md 5)
HAND_OVER_MS_MAX = 30_000  # as server/process.py
CLOSING_MS_MAX = 5_000
CLOSING_TOGETHER_MS_MAX = 1_000
QUORUM_HAND_OVER_MS_MAX = 2_000
POLL_MS = 50
CLIENTS_FROM = 100  # their numbers in the network


class ProcessEnds(BaseException):
    """What os._exit is in production: nothing of the process runs after it."""

    def __init__(self, why: str, *, is_storage: bool = False) -> None:
        super().__init__(why)
        self.is_storage = is_storage


@dataclass(frozen=True, slots=True)
class Site:
    """What all machines share."""

    schedule: Schedule
    network: SimulatedNetwork[int]
    streams: Streams
    voters: tuple[InitialVoter, ...]
    static: dict[str, str]
    log_bytes_max: int
    brokers: int
    cleaning_ms_mean: float
    rare: tuple[str, ...]  # the rare paths that are forced
    lose: Callable[[int], None]  # a process has died, and its machine says so to who asks


class Machine:
    """`host` is None while no process runs, `broker` until this incarnation is registered."""

    def __init__(
        self,
        site: Site,
        number: int,
        directory_id: UUID,
        rng: Random,
        changed: Callable[[bool], None],
    ) -> None:
        """directory_id: the first voters know each other by it.

        changed: called behind all that this process does; True: on its quorum's thread."""
        self.number = number
        self.clock = NodeClock(site.schedule, rng)
        self.disk = SimulatedDisk(site.schedule, rng)
        self.disk.rare = site.rare
        self.host: MetadataHost | None = None
        self.broker: Broker | None = None
        self.paused: deque[Act] | None = None
        self.incarnation_id = UUID(int=0)
        self.directory_id = directory_id
        self.boot = 0
        self.life = 0
        self.is_stopping = False  # It was told to.
        self._site = site
        self._schedule = site.schedule
        self._rng = rng
        self._changed = changed
        self._served: dict[Served, None] = {}
        self._woken: dict[Served, None] = {}
        self._armed_ms: int | None = None
        self._posted_ms = self._posted_to_quorum_ms = 0  # when the last of each comes
        self._told_controller_id: int | None = None
        self._told_unheard = False
        self._is_opening = False

    # --- a process's life ----------------------------------------------------------------------

    def start(self) -> bool:
        """Claim the directory and join the quorum; False if its disk failed meanwhile.

        Raises DirectoryRefused and DamagedLog, which no fault here may lead to.
        """
        assert self.host is None, "one process at a time"
        self.life += 1
        try:
            self._start()
        except (OSError, LogFailure):
            self.host = None
            if self._rng.random() < 0.5:
                self.boot += 1
                self.disk.power_fails()
            else:
                self.disk.process_dies()
            return False
        return True

    def loses_directory(self, directory_id: UUID) -> None:
        """Another one under the same broker id comes in its place."""
        self.die(is_power_lost=True)
        self.disk.is_lost()
        self.directory_id = directory_id

    def has_lost(self, keys: Collection[PartitionKey]) -> bool:
        """One of these cannot be read here, and is out of service until a person sees to it."""
        if self.host is not None and any(key in self.log_dir.quarantined for key in keys):
            return True
        lost = {path.parent.name for path in self.disk.files.names_of(QUARANTINE_NAME)}
        return any(key.directory_name in lost for key in keys)

    def _start(self) -> None:
        self._time = self._process_clock()
        self._armed_ms = self._told_controller_id = None
        self._told_unheard = False
        self._is_opening = self.is_stopping = False
        config, self.log_dir = open_log_dir(
            self._config(), self.disk.files, rng=self._rng, boot_id=f"boot {self.boot}"
        )
        self._broker_config = config
        try:
            self._controller = open_controller(config, self.disk.files, self.log_dir, rng=self._rng)
        except BaseException as error:
            self.log_dir.abandon(error)
            raise
        self._controller.node.timing = QUORUM_TIMING
        listeners = (
            BrokerListener("PLAINTEXT", f"broker-{self.number}", 9092),
            BrokerListener(INTERNAL_LISTENER, f"broker-{self.number}", 9093),
        )
        record = registration_of(config, self.log_dir, listeners, self._rng)
        self.incarnation_id = record.incarnation_id
        self._front = QuorumFront(cast(QuorumThread, QuorumCalls(self)), self._controller.committed)
        self.host = MetadataHost(
            self._controller,
            DiskQueue(self.disk, self.quorum_acts, is_bulk=False),
            on_failure=self._fail,
            log_bytes_max=self._site.log_bytes_max,
            send=self._send,
            on_more=lambda: self._quorum_later(0, lambda: None),  # A turn's end pumps.
            on_image=lambda _, after: self.post(lambda: self._front.take_image(after)),
        )
        self.membership = Membership(self.host, record, cluster_id=CLUSTER_ID, is_ready=False)
        self._voter_changes = VoterChanges(self._controller)
        self._site.network.attach(
            self.number, lambda frame: self.quorum_acts(lambda: self._step(frame))
        )
        self._quorum_later(0, self._quorum_tick)

    def _config(self) -> BrokerConfig:
        number = self.number
        return BrokerConfig(
            data_dir=Path("/data"),
            broker_id=number,
            cluster_id=CLUSTER_ID,
            node_id=f"node-{number}",
            super_users=frozenset({ANONYMOUS}),
            static_configs=self._site.static,
            internal_listener=PeerListenerConfig(f"broker-{number}:9093"),
            quorum_listener=PeerListenerConfig(f"host:{number}"),
            initial_voters=self._site.voters,
            spec_broker_count=self._site.brokers,
            directory_id=self.directory_id,
        )

    def _open(self) -> None:
        """This incarnation is registered: recover, then serve."""
        self.peers = SimulatedPeers(self.number, self._site.streams, self.act, self._ask_self)
        self.broker = recovered(
            self._broker_config,
            self.log_dir,
            self._front,
            DiskQueue(self.disk, self.act, is_bulk=True),
            rng=self._rng,
            now_ms=self.now_ms(),
            on_failure=self._fail,
            cleaner=SimulatedCleaner(self.disk, self.act, self._site.cleaning_ms_mean),
            peers=self.peers,
        )
        self._site.streams.listen(self.number, self._accept)
        self.membership.is_ready = True

    def die(self, *, is_power_lost: bool) -> None:
        """End the process; what it had sent is still under way."""
        if self.host is None:
            return
        for served in list(self._served):
            served.vanish() if is_power_lost else served.close()
        if self.broker is not None:
            self.peers.close()
        self._served.clear()
        self._woken.clear()
        self._is_gone()
        if is_power_lost:
            self.boot += 1
            self.disk.power_fails()
        else:
            self.disk.process_dies()
            self._site.lose(self.number)

    def _is_gone(self) -> None:
        self.host = self.broker = self.paused = None
        self.life += 1
        self._site.network.detach(self.number)
        self._site.streams.unlisten(self.number)

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, LogFailure):
            self.log_dir.mark_failure(error)
        raise ProcessEnds(str(error), is_storage=isinstance(error, LogFailure))

    def pause(self) -> None:
        if self.host is not None and self.paused is None:
            self.paused = deque()

    def resume(self) -> None:
        """Everything that came meanwhile comes at once."""
        waiting, self.paused = self.paused or deque(), None
        for act in waiting:
            act()

    # --- a clean stop, in the order of server/process.py and server/quorum_thread.py -----------

    def stop(self) -> None:
        """SIGTERM: others lead first, what was accepted is synced, the directory marked clean."""
        if self.broker is None or self.is_stopping:
            return
        self.is_stopping = True
        self.post_to_quorum(self.membership.want_shutdown)
        self._stop_when(
            lambda: self.membership.may_stop,
            HAND_OVER_MS_MAX,
            lambda: self._stop_when(self._is_idle, CLOSING_MS_MAX, self._close_connections),
        )

    def stop_together(self) -> None:
        """SIGUSR1: all brokers of the cluster stop now, so there is nobody to hand over to."""
        if self.broker is None or self.is_stopping:
            return
        self.is_stopping = True
        self.post_to_quorum(self.membership.end_with_all)
        self._stop_when(self._is_idle, CLOSING_TOGETHER_MS_MAX, self._close_connections)

    def _stop_when(self, is_so: Callable[[], bool], ms_max: int, then: Act) -> None:
        until_ms = self._schedule.now_ms + ms_max

        def look() -> None:
            if is_so() or self._schedule.now_ms >= until_ms:
                then()
            else:
                self._later(POLL_MS, look)

        self._later(0, look)

    def _is_idle(self) -> bool:
        return self.broker is not None and self.broker.is_idle

    def _close_connections(self) -> None:
        for served in list(self._served):
            served.close()
        self._served.clear()
        self._site.streams.unlisten(self.number)
        self.peers.close()
        self.post_to_quorum(self._hand_over)

    def _hand_over(self) -> None:
        assert self.host is not None, "it has a turn"
        if not self.membership.is_last and self.host.hand_over(self.clock.monotonic_ms()):
            controller = self._controller
            self._stop_when(
                lambda: controller.node.leads is None, QUORUM_HAND_OVER_MS_MAX, self._close
            )
        else:
            self.post(self._close)

    def _close(self) -> None:
        assert self.host is not None, "it has a turn"
        assert self.broker is not None, "only who serves stops so"
        broker, files = self.broker, self.disk.files
        self.host.close()
        try:
            self.disk.finishes()
            broker.close()
        except (OSError, LogFailure) as error:
            self._fail(error)
        self._is_gone()
        files.kill()
        self._site.lose(self.number)

    @property
    def metadata_end(self) -> int:
        """Where the log of the metadata ends, of the process that runs or ran last."""
        return self._controller.node.log.end_offset

    def resign(self) -> None:
        """If it leads the quorum it lets another one; it goes on as a follower."""
        if self.host is not None:
            self.host.hand_over(self.clock.monotonic_ms())

    def hears_of_loss(self, number: int) -> None:
        """Another's connection was reset and then refused."""
        self.quorum_acts(lambda: self.host.lose(number) if self.host is not None else None)

    # --- turns ---------------------------------------------------------------------------------

    def _process_clock(self) -> Clock:
        """The broker's own over this machine's; the half lets no millisecond be rounded away."""
        clock = self.clock
        return Clock(
            wall=lambda: (EPOCH_MS + clock.wall_ms() + 0.5) / 1000,
            elapsed=lambda: clock.monotonic_ms() / 1000,
        )

    def now_ms(self) -> int:
        """The broker's clock."""
        return self._time.now_ms()

    def act(self, act: Act) -> None:
        """Something on the broker's loop, in a turn of its own; later if the process is paused."""
        self._run(act, self._broker_turn_ends, is_quorum=False)

    def quorum_acts(self, act: Act) -> None:
        """As `act`, on the quorum's thread."""
        self._run(act, self._quorum_turn_ends, is_quorum=True)

    def _run(self, act: Act, end: Act, *, is_quorum: bool) -> None:
        if self.host is None:
            return
        if self.paused is not None:
            self.paused.append(partial(self._run, act, end, is_quorum=is_quorum))
            return
        try:
            act()
            end()
        except ProcessEnds as why:
            # A failed sync's pages are lost now, or only when the machine's cache is.
            self.die(is_power_lost=why.is_storage and self._rng.random() < 0.5)
        self._changed(is_quorum)

    def post(self, act: Act) -> None:
        """To the broker's loop, in order."""
        self._posted_ms = max(self._posted_ms, self._schedule.now_ms + self._late_ms(LATE_POSTS))
        self._later(self._posted_ms - self._schedule.now_ms, act)

    def post_to_quorum(self, act: Act) -> None:
        due_ms = self._schedule.now_ms + self._late_ms(LATE_POSTS)
        self._posted_to_quorum_ms = max(self._posted_to_quorum_ms, due_ms)
        self._quorum_later(self._posted_to_quorum_ms - self._schedule.now_ms, act)

    def _late_ms(self, point: str) -> int:
        return late_ms(self._site.rare, point, self._rng)

    def _later(self, delay_ms: int, act: Act) -> None:
        life = self.life
        self._schedule.after(delay_ms, lambda: self.act(act) if life == self.life else None)

    def _quorum_later(self, delay_ms: int, act: Act) -> None:
        life = self.life
        self._schedule.after(delay_ms, lambda: self.quorum_acts(act) if life == self.life else None)

    def _quorum_turn_ends(self) -> None:
        assert self.host is not None, "somebody has a turn"
        self.host.pump()
        controller_id = self.host.controller_id
        if controller_id != self._told_controller_id:
            self._told_controller_id = controller_id
            self.post(lambda: self._front.take_controller_id(controller_id))
        is_unheard = self.membership.is_unheard
        if is_unheard != self._told_unheard:
            self._told_unheard = is_unheard
            self.post(lambda: self._front.take_unheard(is_unheard=is_unheard))
        if not self._is_opening and self.membership.is_done:
            self._is_opening = True
            self.post(self._open)

    def _broker_turn_ends(self) -> None:
        broker, now_ms = self.broker, self.now_ms()
        if broker is None:
            return
        broker.end_turn(now_ms)
        while self._woken:
            woken, self._woken = self._woken, {}
            for served in woken:
                served.flush(now_ms)
            broker.end_turn(now_ms)
        self._arm(broker, now_ms)

    def _arm(self, broker: Broker, now_ms: int) -> None:
        wait_ms = max(1, min(broker.next_due_ms - now_ms, BROKER_TICK_MS_MAX))
        wait_ms = self.clock.world_ms(wait_ms)
        due_ms = self._schedule.now_ms + wait_ms
        if self._armed_ms is None or due_ms < self._armed_ms:
            self._armed_ms = due_ms
            self._later(wait_ms + self._late_ms(LATE_TIMERS), lambda: self._broker_tick(due_ms))

    def _broker_tick(self, due_ms: int) -> None:
        if due_ms == self._armed_ms and self.broker is not None:
            self._armed_ms = None
            self.peers.look()
            self._time.follow_wall()
            now_ms = self.now_ms()
            self.broker.look_at_wall(now_ms, self._time.wall_ms())
            self.broker.tick(now_ms)

    # --- the quorum's thread -------------------------------------------------------------------

    def _quorum_tick(self) -> None:
        assert self.host is not None, "it has a turn"
        now_ms = self.clock.monotonic_ms()
        self.host.tick(now_ms)
        self.membership.tick(now_ms)
        if self.membership.ended_by is not None:
            raise ProcessEnds(self.membership.ended_by.name)
        self._voter_changes.tick(now_ms)
        wait_ms = min(max(1, (self.host.next_due_ms or 0) - now_ms), QUORUM_TICK_MS_MAX)
        if now_ms < self.membership.next_due_ms:  # Else it waits for an answer, which comes itself.
            wait_ms = min(wait_ms, self.membership.next_due_ms - now_ms)
        wait_ms = self.clock.world_ms(wait_ms)
        self._quorum_later(wait_ms + self._late_ms(LATE_TIMERS), self._quorum_tick)

    def _step(self, frame: bytes) -> None:
        if self.host is not None:
            self.host.step(decode_message(frame), self.clock.monotonic_ms())

    def _send(self, message: Message) -> None:
        frame = encode_message(message)
        everyone = range(len(self._site.voters))
        for target in everyone if message.target == SEEDS else [message.target.id]:
            if target != self.number:
                self._site.network.send(self.number, target, frame)

    def decide_in_quorum(
        self,
        choose: Callable[[Controller], Decision[object]],
        on_response: Callable[[object], None],
    ) -> None:
        """As QuorumThread._decide."""
        assert self.host is not None, "it has a turn"
        self.host.look_at_clock(self.clock.monotonic_ms())
        try:
            found = self.host.decide(choose)
        except Exception as error:
            refusal = error
            self.post(lambda: on_response(refusal))
            return
        if isinstance(found, Parked):
            found.when_done(lambda response: self.post(lambda: on_response(response)))
        else:
            self.post(lambda: on_response(found))

    # --- connections ---------------------------------------------------------------------------

    def _accept(self, connection: Connection) -> None:
        assert self.broker is not None, "only who serves listens"
        is_client = connection.client >= CLIENTS_FROM
        session = (
            Session(listener="PLAINTEXT", principal=ANONYMOUS, client_host="client")
            if is_client
            else internal_session()
        )

        def wake() -> None:
            self._woken[served] = None

        served = Served(self.broker, session, connection, wake)
        self._served[served] = None
        life = self.life

        def take(frame: bytes | None) -> None:
            if life == self.life:
                self.act(lambda: served.take(frame, self.now_ms()))
                if frame is None:
                    self._served.pop(served, None)

        connection.on_server = take

    def _ask_self(self, request: object, on_reply: Callable[[object], None]) -> None:
        if self.broker is not None:
            ask_self(self.broker, request, on_reply)


class QuorumCalls:
    """What QuorumFront asks of the quorum's thread, as events."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def decide(
        self,
        choose: Callable[[Controller], Decision[object]],
        on_response: Callable[[object], None],
    ) -> None:
        self._machine.post_to_quorum(lambda: self._machine.decide_in_quorum(choose, on_response))

    def tell_ends(self, ends: list[BrokerHeartbeatRequestTopic]) -> None:
        self._machine.post_to_quorum(lambda: self._machine.membership.tell_ends(ends))

    def retry(self) -> None:
        host = self._machine.host
        self._machine.post_to_quorum(lambda: host.retry() if host is not None else None)
