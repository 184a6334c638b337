"""The quorum on a thread and loop of its own: no produce load starves it (durability.md 5).

The thread runs MetadataHost, its disk and its network; the broker's loop sees `QuorumFront`. What
crosses between them are function calls posted to the other loop, in order: a committed image is
posted before every answer that was derived from it.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from data_plane.broker.config import BrokerConfig
from data_plane.broker.loop_lag import LoopLag
from data_plane.broker.membership import Membership, MembershipEnded
from data_plane.broker.metadata_host import MetadataHost, unheard
from data_plane.broker.metadata_port import OnImage
from data_plane.broker.voter_changes import VoterChanges
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import RegisterBrokerRecord
from data_plane.peers.addresses import bound
from data_plane.peers.quorum_link import QuorumLinks
from data_plane.protocol.messages.broker_heartbeat import BrokerHeartbeatRequestTopic
from data_plane.raft.messages import Message
from data_plane.replication.waiting import Parked
from data_plane.server.executor import ThreadExecutor
from data_plane.server.lag_probe import LagProbe
from data_plane.server.peer_tls import check_broker_certificate, peer_contexts, reload_contexts
from data_plane.server.tls import TlsRefused

R = TypeVar("R")

log = logging.getLogger(__name__)

TICK_S_MAX = 0.1
HAND_OVER_S_MAX = 2.0
STOPPED_S_MAX = 10.0


class QuorumFront:
    """What the broker's loop has of the quorum: implements broker.metadata_port.Metadata."""

    def __init__(self, thread: "QuorumThread", image: MetadataImage) -> None:
        self.image = image
        self.controller_id: int | None = None
        self.is_unheard = False
        self.after: Callable[[], None] = unheard  # ends the turn in which something came
        self._thread = thread
        self._on_image: OnImage = unheard
        self._on_committed: Callable[[], None] = unheard
        self._undecided = 0

    @property
    def is_idle(self) -> bool:
        return self._undecided == 0

    @property
    def next_due_ms(self) -> None:
        return None

    def attach(self, on_image: OnImage, on_committed: Callable[[], None]) -> None:
        self._on_image, self._on_committed = on_image, on_committed

    def decide(self, choose: Callable[[Controller], Decision[R]]) -> R | Parked:
        """As Metadata.decide; the answer always comes later."""
        parked = Parked()
        self._undecided += 1
        self._thread.decide(choose, lambda response: self._decided(parked, response))
        return parked

    def pump(self) -> None:
        """The thread drives itself."""

    def tick(self, now_ms: int) -> None:
        """The thread has its own clock."""

    def tell_ends(self, ends: Sequence[BrokerHeartbeatRequestTopic]) -> None:
        self._thread.tell_ends(ends)

    def retry(self) -> None:
        self._thread.retry()

    # Called on the broker's loop by what the thread posts.

    def take_image(self, image: MetadataImage) -> None:
        before, self.image = self.image, image
        self._on_image(before, image)
        self._on_committed()
        self.after()

    def take_controller_id(self, controller_id: int | None) -> None:
        self.controller_id = controller_id

    def take_unheard(self, *, is_unheard: bool) -> None:
        self.is_unheard = is_unheard

    def _decided(self, parked: Parked, response: object) -> None:
        self._undecided -= 1
        parked.complete(response)
        self._on_committed()
        self.after()


class QuorumThread:
    """Runs one node of the quorum from `start` until `stop`; a failure in it ends the process.

    main: the broker's loop. on_failure: called on the thread; does not return in production.
    Events, set on the broker's loop: `registered` once `front` holds the image that knows this
    incarnation, `let_in` once it may lead, `may_stop` once others lead what it led.
    """

    def __init__(
        self,
        config: BrokerConfig,
        controller: Controller,
        record: RegisterBrokerRecord,
        *,
        main: asyncio.AbstractEventLoop,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        assert config.quorum_listener is not None, "a broker alone has no quorum thread"
        self.registered = asyncio.Event()
        self.let_in = asyncio.Event()
        self.may_stop = asyncio.Event()
        self.lag = LoopLag()  # of the thread's loop
        self.front = QuorumFront(self, controller.committed)
        self._config = config
        self._controller = controller
        self._record = record
        self._main = main
        self._on_failure = on_failure
        self._listener = config.quorum_listener
        self._socket = bound(self._listener.address)
        self._thread = threading.Thread(target=self._run, name="quorum", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._is_up = threading.Event()
        self._told_controller_id: int | None = None
        self._told_unheard = False
        self._is_pumping = False

    # --- from the broker's loop ----------------------------------------------------------------

    def start(self) -> None:
        """Returns once the thread takes calls. Its later failures come by on_failure."""
        self._thread.start()
        self._is_up.wait()

    def stop(self) -> None:
        """Hand over leadership, as far as there is time, and end the thread; blocks."""
        if self._loop is not None and self._stopping is not None:
            self._to_thread(self._stopping.set)
            self._thread.join(STOPPED_S_MAX)

    def retry(self) -> None:
        self._to_thread(self._retry)

    def reload(self) -> None:
        """Read certificates anew; what cannot be used is told in the log."""
        self._to_thread(self._reload)

    def ask_in(self) -> None:
        """This broker serves now; `let_in` follows."""
        self._to_thread(lambda: setattr(self._membership, "is_ready", True))

    def ask_out(self) -> None:
        """This broker is about to stop; `may_stop` follows."""
        self._to_thread(self._ask_out)

    def end_with_all(self) -> None:
        """All brokers stop: whoever is gone before this one stays what it was."""
        self._to_thread(self._end_with_all)

    @property
    def is_stop_of_all(self) -> bool:
        """Once `may_stop` is set: whether the controller let all go as one."""
        return self._membership.all_stop

    def tell_ends(self, ends: Sequence[BrokerHeartbeatRequestTopic]) -> None:
        """How far replicas here reach of partitions that nobody may lead."""
        self._to_thread(lambda: self._membership.tell_ends(ends))

    def decide(
        self, choose: Callable[[Controller], Decision[R]], on_response: Callable[[object], None]
    ) -> None:
        """on_response: called on the broker's loop, with the response or the error."""
        self._to_thread(self._decide, choose, on_response)

    def _to_thread(self, act: Callable[..., None], *args: object) -> None:
        assert self._loop is not None, "started first"
        with suppress(RuntimeError):  # Its loop is closed: the thread has ended.
            self._loop.call_soon_threadsafe(act, *args)

    # --- on the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            log.exception("the quorum's thread has failed")
            self._on_failure(error)
        finally:
            self._is_up.set()

    async def _serve(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        stopping = self._stopping = asyncio.Event()
        loop.set_exception_handler(self._callback_failed)
        executor = ThreadExecutor(loop)
        links = self._links()
        self._host = MetadataHost(
            self._controller,
            executor,
            on_failure=self._on_failure,
            log_bytes_max=self._config.limits.metadata_log_bytes_max,
            send=links.send,
            on_image=lambda _, after: self._post(self.front.take_image, after),
            on_more=self._later,
        )
        self._membership = Membership(
            self._host, self._record, cluster_id=self._config.cluster_id, is_ready=False
        )
        self._voter_changes = VoterChanges(self._controller)
        executor.after = self._turn_ends
        self._is_up.set()
        await links.open(self._socket)
        probe = LagProbe(self.lag)
        probe.start(loop)
        try:
            await self._tick_until(stopping)
            await self._hand_over()
        finally:
            probe.stop()
            self._host.close()  # Messages and syncs may still come in until the loop has ended.
            links.close()
            executor.close()
            await asyncio.sleep(0)  # What was under way may have failed: no clean stop then.

    def _callback_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """What a sync or a decision led to has failed; a connection's troubles are its own."""
        error = context.get("exception")
        loop.default_exception_handler(context)
        if isinstance(error, Exception) and not isinstance(error, OSError):
            self._on_failure(error)

    def _links(self) -> QuorumLinks:
        config, node = self._config, self._controller.node
        server_tls, client_tls = self._contexts = peer_contexts(self._listener.tls)
        known = {one.broker_id: one.quorum_address for one in config.initial_voters}

        def address_of(broker_id: int) -> str:
            voter = node.voters.by_id(broker_id)
            found = known.get(broker_id, "")
            return voter.address if voter is not None and voter.address else found

        def check_peer(certificate: object) -> None:
            check_broker_certificate(
                certificate if isinstance(certificate, dict) else None, config.cluster_id
            )

        return QuorumLinks(
            node.me,
            config.cluster_id,
            self._listener.reached_at,
            address_of=address_of,
            seeds=(*config.join, *known.values()),
            on_message=self._step,
            on_lost=self._lose,
            server_tls=server_tls,
            client_tls=client_tls,
            check_peer=check_peer,
        )

    async def _tick_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            self._tick()
            wait_s = min(TICK_S_MAX, max(0.001, (self._due_ms() - now_ms()) / 1000))
            try:
                await asyncio.wait_for(stopping.wait(), wait_s)
            except TimeoutError:
                continue

    def _due_ms(self) -> int:
        due_ms = self._host.next_due_ms
        return 0 if due_ms is None else due_ms

    async def _hand_over(self) -> None:
        """Before a clean stop another voter is to lead, so that nobody has to notice silence.

        Where all stop, a successor would be gone before it is elected.
        """
        if self._membership.is_last:
            return
        until_ms = now_ms() + int(HAND_OVER_S_MAX * 1000)
        is_handing = self._host.hand_over(now_ms())
        while is_handing and self._controller.node.leads is not None and now_ms() < until_ms:
            self._tick()
            await asyncio.sleep(0.01)

    def _tick(self) -> None:
        now = now_ms()
        self._host.tick(now)
        self._membership.tick(now)
        if self._membership.ended_by is not None:
            details = self._membership.ended_details
            self._on_failure(MembershipEnded(self._membership.ended_by, details))
        self._voter_changes.tick(now)
        self._turn_ends()

    def _step(self, message: Message) -> None:
        try:
            self._host.step(message, now_ms())
            self._turn_ends()
        except Exception as error:  # A promise is broken, by a peer or by us: stop before worse.
            log.exception("the quorum cannot go on")
            self._on_failure(error)

    def _lose(self, broker_id: int) -> None:
        """A broker's connection was reset and then refused."""
        self._host.lose(broker_id)
        self._turn_ends()

    def _later(self) -> None:
        """The rest of what is committed is applied behind what has come meanwhile."""
        asyncio.get_running_loop().call_soon(self._turn_ends)

    def _reload(self) -> None:
        try:
            reload_contexts(self._listener.tls, self._contexts)
        except TlsRefused as error:
            log.error("the quorum keeps its certificate: %s", error)

    def _ask_out(self) -> None:
        self._membership.want_shutdown()
        self._tick()  # Nothing is gained by waiting for the next one.

    def _end_with_all(self) -> None:
        self._membership.end_with_all()  # It is made on the thread.

    def _retry(self) -> None:
        self._host.retry()
        self._turn_ends()

    def _decide(
        self,
        choose: Callable[[Controller], Decision[object]],
        on_response: Callable[[object], None],
    ) -> None:
        self._host.look_at_clock(now_ms())
        try:
            found = self._host.decide(choose)
        except Exception as error:  # Every refusal is the answer; dispatch knows what to say.
            self._post(on_response, error)
        else:
            if isinstance(found, Parked):
                found.when_done(lambda response: self._post(on_response, response))
            else:
                self._post(on_response, found)
        self._turn_ends()

    def _turn_ends(self) -> None:
        """Carry out what came of this turn, and tell the broker's loop what it must know."""
        self._host.pump()
        controller_id = self._host.controller_id
        if controller_id != self._told_controller_id:
            self._told_controller_id = controller_id
            self._post(self.front.take_controller_id, controller_id)
        is_unheard = self._membership.is_unheard
        if is_unheard != self._told_unheard:
            self._told_unheard = is_unheard
            self._post(lambda: self.front.take_unheard(is_unheard=is_unheard))
        reached = (
            (self._membership.is_done, self.registered),
            (self._membership.is_let_in, self.let_in),
            (self._membership.may_stop, self.may_stop),
        )
        for is_reached, event in reached:
            if is_reached and not event.is_set():
                self._post(event.set)

    def _post(self, act: Callable[..., None], *args: object) -> None:
        with suppress(RuntimeError):  # The broker's loop is closed: it needs no telling.
            self._main.call_soon_threadsafe(act, *args)


def now_ms() -> int:
    """A clock that only moves on; the wall's jumps would end leases and begin elections."""
    return time.monotonic_ns() // 1_000_000
