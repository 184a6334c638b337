"""One machine of the quorum's world: a disk that stays, and processes that come and go."""

from collections.abc import Callable
from pathlib import PurePath
from random import Random
from uuid import UUID

from data_plane.broker.metadata_host import MetadataHost
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.records import ConfigRecord
from data_plane.protocol.errors import KafkaError
from data_plane.raft.codec import decode_message, encode_message
from data_plane.raft.entries import Ready
from data_plane.raft.messages import SEEDS, Message
from data_plane.raft.node import RaftNode
from data_plane.raft.voters import VoterKey, VoterSet
from data_plane.replication.waiting import Parked
from tests.simulation.clock import NodeClock, Schedule
from tests.simulation.disk import SimulatedDisk
from tests.simulation.invariants import QuorumInvariants
from tests.simulation.network import SimulatedNetwork

DIRECTORY = PurePath("/data/metadata")
CLUSTER_ID = "simulated"


class WatchedController(Controller):
    """Shows the invariants what it persists and applies, at the moment it does."""

    watcher: QuorumInvariants

    def ready(self, *, may_persist: bool = True, entries_max: int | None = None) -> Ready | None:
        ready = super().ready(may_persist=may_persist, entries_max=entries_max)
        if ready is not None:
            self.watcher.persisting(self.node, ready)
        return ready

    def advance(self, ready: Ready) -> bool:
        self.watcher.applied(self.node, ready.committed)
        return super().advance(ready)


class QuorumNode:
    """`host` is None while no process runs. clock_of: which of its clocks the quorum is given."""

    def __init__(
        self,
        number: int,
        schedule: Schedule,
        network: SimulatedNetwork[int],
        invariants: QuorumInvariants,
        *,
        rng: Random,
        numbers: Callable[[], list[int]],
        initial: VoterSet,
        directory_id: UUID,
        log_bytes_max: int,
    ) -> None:
        self.number = number
        self.directory_id = directory_id
        self.initial = initial
        self.clock = NodeClock(schedule, rng)
        self.disk = SimulatedDisk(schedule, rng)
        self.host: MetadataHost | None = None
        self.paused: list[Callable[[], None]] | None = None
        self.starts = 0
        self._schedule = schedule
        self._network = network
        self._invariants = invariants
        self._rng = rng
        self._numbers = numbers
        self._log_bytes_max = log_bytes_max
        self._life = 0
        self.disk.run_on = self._when_awake

    @property
    def key(self) -> VoterKey:
        return VoterKey(self.number, self.directory_id)

    @property
    def node(self) -> RaftNode | None:
        return None if self.host is None else self.host.controller.node

    @property
    def node_term(self) -> int:
        """-1: no process runs."""
        return -1 if self.node is None else self.node.term

    @property
    def leads(self) -> bool:
        return self.node is not None and self.node.leads is not None

    @property
    def end(self) -> int:
        """The last offset of its log; -1: no process runs."""
        return -1 if self.node is None else self.node.log.last.offset

    @property
    def committed(self) -> int:
        """How much it knows to be committed; -1: no process runs."""
        return -1 if self.node is None else self.node.committed_offset

    def has_voted(self, term: int) -> bool:
        """It has given its vote in a term, and may have said so."""
        stored = None if self.node is None else self.node._stored_hard_state
        return stored is not None and stored.term == term and stored.voted_for is not None

    def clock_ms(self) -> int:
        """What the quorum is told; a planted bug gives it the wall's time instead."""
        return self.clock.monotonic_ms()

    # --- a process's life ----------------------------------------------------------------------

    def start(self) -> None:
        """Raises DamagedLog if the disk holds what it must not."""
        assert self.host is None, "one process at a time"
        self._life += 1
        self.starts += 1
        WatchedController.watcher = self._invariants
        controller = WatchedController.open(
            self.disk.files,
            DIRECTORY,
            voter_id=self.number,
            rng=self._rng,
            directory_id=self.directory_id,
            cluster_id=CLUSTER_ID,
            address=f"host:{self.number}",
            initial_voters=self.initial,
        )
        self.host = MetadataHost(
            controller,
            self.disk,
            on_failure=self.die,
            log_bytes_max=self._log_bytes_max,
            send=self._send,
            on_more=lambda: self._schedule.after(0, lambda: self._when_awake(self._pump)),
        )
        self._network.attach(self.number, lambda frame: self._when_awake(lambda: self._take(frame)))
        life = self._life
        self._schedule.after(0, lambda: self._tick(life))

    def die(self, _why: BaseException | None = None, *, is_power_lost: bool = True) -> None:
        """A failed sync ends the process as a power loss does: its pages are gone."""
        if self.host is None:
            return
        self.host = None
        self.paused = None
        self._life += 1
        self._network.detach(self.number)
        if is_power_lost:
            self.disk.power_fails()
        else:
            self.disk.process_dies()

    def loses_directory(self, directory_id: UUID) -> None:
        """Another directory under the same id: it may only come back as an observer."""
        self.die()
        self.disk.is_lost()
        self.directory_id = directory_id
        self.initial = VoterSet()

    def pause(self) -> None:
        if self.host is not None and self.paused is None:
            self.paused = []

    def resume(self) -> None:
        """Everything that came meanwhile comes at once."""
        waiting, self.paused = self.paused or [], None
        for act in waiting:
            self._when_awake(act)

    def _when_awake(self, act: Callable[[], None]) -> None:
        if self.paused is not None:
            self.paused.append(act)
        elif self.host is not None:
            act()

    # --- what a driver does --------------------------------------------------------------------

    def _tick(self, life: int) -> None:
        if life != self._life or self.host is None:
            return
        if self.paused is not None:
            self.paused.append(lambda: self._tick(life))
            return
        self.host.tick(self.clock_ms())
        self.host.pump()
        if life == self._life and self.host is not None:
            due_ms = self.host.controller.node.next_due_ms
            wait_ms = self.clock.world_ms(min(max(1, due_ms - self.clock_ms()), 200))
            self._schedule.after(wait_ms, lambda: self._tick(life))

    def _pump(self) -> None:
        if self.host is not None:
            self.host.pump()

    def _take(self, frame: bytes) -> None:
        if self.host is not None:
            self.host.step(decode_message(frame), self.clock_ms())
            self.host.pump()

    def _send(self, message: Message) -> None:
        self._invariants.sent(message)
        frame = encode_message(message)
        targets = self._numbers() if message.target == SEEDS else [message.target.id]
        for target in targets:
            if target != self.number:
                self._network.send(self.number, target, frame)

    # --- work ----------------------------------------------------------------------------------

    def campaign(self) -> None:
        """Stand for election at once, as a late TimeoutNow would have it."""
        if self.host is not None and self.paused is None:
            self.host.controller.node.campaign(is_transfer=True)
            self.host.pump()

    def decide(self, name: str, value: str, on_answer: Callable[[object], None]) -> bool:
        """Ask for a setting; False if this node does not lead."""
        return self._decide(lambda _: Decision("ok", [ConfigRecord(4, "", name, value)]), on_answer)

    def read(self, on_answer: Callable[[object], None]) -> bool:
        """Ask how far the controller's image goes; False if this node does not lead."""
        return self._decide(lambda controller: Decision(controller.image.offset), on_answer)

    def _decide(
        self,
        choose: Callable[[Controller], Decision[object]],
        on_answer: Callable[[object], None],
    ) -> bool:
        if self.host is None or self.paused is not None:
            return False
        self.host.look_at_clock(self.clock_ms())
        try:
            found = self.host.decide(choose)
        except KafkaError:
            return False
        if isinstance(found, Parked):
            found.when_done(on_answer)
        else:
            on_answer(found)
        if self.host is not None:
            self.host.pump()
        return True
