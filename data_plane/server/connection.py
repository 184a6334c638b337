"""One client connection: bytes in, requests to the broker, replies out in request order."""

import asyncio
import logging
from collections import deque
from typing import Any, Protocol, cast

from data_plane.broker.config import Limits
from data_plane.broker.dispatch import CloseConnection, Session, dispatch
from data_plane.broker.records_part import RecordsPart
from data_plane.broker.reply import Reply
from data_plane.log.failures import DamagedLog
from data_plane.protocol.framing import SIZE_BYTES, FrameTooLarge, frame_end
from data_plane.protocol.primitives import INT32, Buffer
from data_plane.server.outbox import Outbox
from data_plane.server.receive_buffer import ReceiveBuffer
from data_plane.server.response_budget import ResponseBudget
from data_plane.server.turns import Turns

log = logging.getLogger(__name__)

JOINED_BYTES_MAX = 128 * 1024  # glibc maps larger blocks anew each time


class Gate(Protocol):
    """What a listener decides about a new connection, and hears when it has gone."""

    @property
    def budget(self) -> ResponseBudget:
        """What all connections of the process share."""

    def enter(self, connection: "Connection", transport: asyncio.Transport) -> Session | None:
        """Who this is, or None: refused, and its transport closed or about to be."""

    def leave(self, connection: "Connection") -> None: ...


class Connection(asyncio.BufferedProtocol):
    """Parses frames in place and holds the queue of replies.

    Reading stops (for real, once bytes arrive that may not be parsed) while a parked fetch or join
    mutes the connection, while too many produces are in flight, and while the client does not take
    its replies. Those leave in slices, one per turn, the next when the transport has drained, so
    that one large fetch over TLS neither holds the loop nor fills the memory (durability.md 7).
    """

    def __init__(self, turns: Turns, limits: Limits, gate: Gate) -> None:
        self._turns = turns
        self._limits = limits
        self._inflight_max = limits.inflight_produces_max
        self._inflight_bytes_max = limits.inflight_produce_bytes_max
        self._gate = gate
        self._told_bytes = 0  # what the budget knows that this connection holds
        self._buffer = ReceiveBuffer()
        self._queue: deque[Reply] = deque()
        self._outbox = Outbox()
        self._inflight_bytes = 0
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._authentication_timer: asyncio.TimerHandle | None = None
        self._throttle_timer: asyncio.TimerHandle | None = None  # Set: muted by a quota.
        self._is_muted = False
        self._is_reading = True
        self._is_write_blocked = False
        self._is_scheduled = False
        self._is_sending = False  # The next slice is scheduled.
        self._is_closing = False
        self._is_active = True  # Something moved since `look_at_idle` was here last.
        self._idle_since_ms = 0
        self._unsent_bytes = 0  # as of then

    # --- asyncio's callbacks -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._session = self._gate.enter(self, self._transport)
        if self._session is None:
            return
        self._look_at_throttle()  # It may have come too fast.
        self._transport.set_write_buffer_limits(
            self._limits.write_buffer_bytes_max, self._limits.write_buffer_bytes_low
        )
        if not self._session.is_authenticated:
            self._authentication_timer = asyncio.get_running_loop().call_later(
                self._limits.authentication_ms_max / 1000, self._close_unauthenticated
            )

    def get_buffer(self, sizehint: int) -> Any:  # noqa: ARG002 - asyncio's signature
        return self._buffer.space()

    def buffer_updated(self, nbytes: int) -> None:
        has_frame = self._buffer.landed(nbytes)
        self._is_active = True
        if self._session is None:
            return
        if self._can_parse:
            if has_frame:
                self._turns.end_requests(self._parse())
        elif self._is_reading:
            self._stop_reading()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        for reply in self._queue:
            reply.abandon()
        self._queue.clear()
        self._outbox.clear()
        self._turns.forget(self)
        if self._session is not None:
            self._gate.leave(self)
            self._gate.budget.forget(self)
            self._told_bytes = 0
        for timer in (self._authentication_timer, self._throttle_timer):
            if timer is not None:
                timer.cancel()
        self._session = self._transport = None

    def pause_writing(self) -> None:
        self._is_write_blocked = True

    def resume_writing(self) -> None:
        self._is_write_blocked = False
        self._is_active = True
        if self._transport is not None:
            self._tell_budget(self._transport)
        self._send()
        self._continue()
        self._turns.end()

    # --- requests ----------------------------------------------------------------------------

    @property
    def _can_parse(self) -> bool:
        return (
            not self._is_muted
            and not self._is_closing
            and not self._is_write_blocked
            and not self._outbox.parts
            and self._throttle_timer is None
            and len(self._queue) < self._inflight_max
            and self._inflight_bytes <= self._inflight_bytes_max
        )

    def _parse(self) -> int:
        """Answer whole frames until there is none, or the connection may not go on this turn.

        Returns when that began, Unix milliseconds.
        """
        buffer, session = self._buffer, self._session
        assert session is not None, "a closed connection parses nothing"
        guard = session.guard
        view, first = buffer.view, buffer.start
        limits = self._limits
        limit = limits.frame_bytes_max
        if not session.is_authenticated:
            limit = limits.unauthenticated_frame_bytes_max
        now_ms = self._turns.clock.now_ms()
        at = first
        self._turns.has_asked = True
        if guard is not None:
            self._turns.broker.has_new_dates = True
        try:
            while end := frame_end(view, buffer.filled, limit, at):
                frame, at = view[at + SIZE_BYTES : end], end
                reply = None if guard is None else guard.take(frame, now_ms)
                if reply is None:
                    reply = dispatch(self._turns.broker, session, frame, now_ms)
                if reply is not None:
                    self._enqueue(reply, len(frame))
                if session.throttle.until_ms > now_ms:
                    self._mute_until(session.throttle.until_ms, now_ms)
                if at == buffer.filled or not self._can_parse:
                    break
                if at - first >= limits.turn_bytes_max:
                    self._go_on_later()
                    break
        except (CloseConnection, FrameTooLarge) as error:
            self._close(error)
            return now_ms
        buffer.consumed(at)
        if buffer.filled - buffer.start >= SIZE_BYTES:
            size = INT32.unpack_from(buffer.view, buffer.start)[0]
            if 0 <= size <= limit:  # Else the next look at it closes the connection.
                buffer.expect(size + SIZE_BYTES)
        return now_ms

    def _enqueue(self, reply: Reply, size_bytes: int) -> None:
        self._queue.append(reply)
        if reply.is_ready:
            self._turns.wake(self)
            return
        reply.size_bytes = size_bytes
        self._inflight_bytes += size_bytes
        self._is_muted = reply.mutes
        reply.when_done(self._on_done)

    def _on_done(self, _: object) -> None:
        self._turns.ready[self] = None

    # --- replies -----------------------------------------------------------------------------

    def flush(self) -> None:
        """Send every reply that is ready and first in order, as far as the turn's slice goes."""
        queue, parts = self._queue, list[Buffer | RecordsPart]()
        quotas = self._turns.broker.quotas
        started_ns = quotas.started_ns() if quotas.times_requests else 0
        try:
            while queue and queue[0].is_ready:
                reply = queue.popleft()
                self._inflight_bytes -= reply.size_bytes
                parts += reply.frame()
                if reply.is_last:
                    self._is_closing = True  # Who sent it has logged why.
                    break
        except CloseConnection as error:
            self._close(error)
        except Exception as error:
            log.exception("a reply could not be encoded")
            self._close(error)
        if parts:
            self._outbox.put(parts)
        if started_ns:
            self._took(started_ns)
        self._send()
        if self._is_closing:
            return
        self._is_muted = any(reply.mutes for reply in queue) if queue else False
        if self._session is not None and self._session.throttle.until_ms:
            self._look_at_throttle()
        if self._buffer.filled or not self._is_reading:
            self._continue()

    def _send(self) -> None:
        """Give the transport the next slice if it has room, and see to it that the rest follows."""
        transport = self._transport
        if transport is None:
            return
        if self._outbox.parts and not self._is_write_blocked and not self._is_sending:
            quotas = self._turns.broker.quotas
            started_ns = quotas.started_ns() if quotas.times_requests else 0
            self._send_slice(transport)
            if started_ns:
                self._took(started_ns)
        if self._is_closing and not self._outbox.parts:
            transport.close()

    def _took(self, started_ns: int) -> None:
        """Encoding and encrypting count as time of the client's requests."""
        if self._session is not None and self._session.last is not None:
            now_ms = self._turns.clock.now_ms()
            self._turns.broker.quotas.took(self._session.last, started_ns, now_ms)

    def _send_slice(self, transport: asyncio.Transport) -> None:
        may_read = not self._outbox.has_files or not self._gate.budget.is_full
        try:
            taken = self._outbox.take(self._limits.slice_bytes_max, may_read=may_read)
            if taken:
                self._write(transport, taken)
            elif not may_read:
                self._gate.budget.wait(self, self._send_later)
                return
        except DamagedLog as error:
            self._outbox.clear()
            self._close(error)
        self._tell_budget(transport)
        if self._outbox.parts and not self._is_write_blocked:
            self._send_later()

    def _tell_budget(self, transport: asyncio.Transport) -> None:
        unsent_bytes = self._outbox.memory_bytes + transport.get_write_buffer_size()
        if unsent_bytes != self._told_bytes:
            self._told_bytes = unsent_bytes
            self._gate.budget.hold(self, unsent_bytes)

    def _send_later(self) -> None:
        """The next slice is for the next turn: others send theirs in between."""
        if not self._is_sending:
            self._is_sending = True
            asyncio.get_running_loop().call_soon(self._send_next)

    def _send_next(self) -> None:
        self._is_sending = False
        self._send()
        self._continue()
        self._turns.end_requests(self._turns.clock.now_ms())

    def _write(self, transport: asyncio.Transport, parts: list[Buffer]) -> None:
        if len(parts) == 1:
            transport.write(parts[0])
        elif sum(map(len, parts)) <= JOINED_BYTES_MAX:
            transport.write(b"".join(parts))
        else:
            transport.writelines(parts)

    def _continue(self) -> None:
        """Take up what waited in the buffer, then read on."""
        if self._is_reading and not self._buffer.filled:
            return
        if self._transport is None or self._transport.is_closing() or not self._can_parse:
            return
        if self._buffer.filled and not self._is_scheduled:
            self._parse()
        if self._can_parse and not self._is_reading and self._transport is not None:
            self._is_reading = True
            self._transport.resume_reading()

    def _look_at_throttle(self) -> None:
        """A parked fetch learns only when it is answered that its client is over its quota."""
        if self._session is not None:
            now_ms, throttle = self._turns.clock.now_ms(), self._session.throttle
            if throttle.until_ms > now_ms:
                self._mute_until(throttle.until_ms, now_ms)
            else:
                throttle.until_ms = 0  # So that nobody looks again.

    def _mute_until(self, until_ms: int, now_ms: int) -> None:
        """Replies still leave; nothing is parsed until the throttle time is over (KIP-219)."""
        if self._throttle_timer is None:
            self._throttle_timer = asyncio.get_running_loop().call_later(
                (until_ms - now_ms) / 1000, self._unmute
            )

    def _unmute(self) -> None:
        self._throttle_timer = None
        self._look_at_throttle()  # It may have grown meanwhile.
        self._continue()
        self._turns.end()

    def _go_on_later(self) -> None:
        """This connection has had its share of the turn."""
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._resume_turn)

    def _resume_turn(self) -> None:
        self._is_scheduled = False
        self._continue()
        self._turns.end()

    def _stop_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._is_reading = False
            self._transport.pause_reading()

    def _close(self, error: Exception) -> None:
        """Answer no more; what was answered before still leaves."""
        session = self._session
        if session is None or self._is_closing:
            return
        log.warning(
            "closing connection of %s from %s: %s",
            session.principal,
            session.client_host,
            error,
        )
        self._is_closing = True
        self._buffer.consumed(self._buffer.filled)
        self._turns.wake(self)

    def _close_unauthenticated(self) -> None:
        """A connection that proves nothing in time holds no place any longer."""
        if self._session is not None and not self._session.is_authenticated:
            self._close(CloseConnection("not authenticated in time"))
            self._turns.end()

    def close(self) -> None:
        """The broker stops: no more requests are taken."""
        if self._transport is not None:
            self._transport.close()

    def look_at_idle(self, now_ms: int, idle_ms_max: int) -> None:
        """Called every few seconds: close what nobody uses, end what nobody takes.

        A connection with a request under way is ours to answer, so it is not idle.
        """
        transport = self._transport
        if transport is None or self._session is None:
            return
        self._tell_budget(transport)
        unsent_bytes = transport.get_write_buffer_size()
        if self._is_active or unsent_bytes != self._unsent_bytes:
            self._is_active = False
            self._idle_since_ms, self._unsent_bytes = now_ms, unsent_bytes
            return
        idle_ms = now_ms - self._idle_since_ms
        is_pressing = self._is_closing or self._gate.budget.is_full
        if unsent_bytes and is_pressing and idle_ms >= self._limits.stalled_ms_max:
            self._abort(transport, f"has taken nothing for {idle_ms} ms")
        elif idle_ms >= idle_ms_max and (unsent_bytes or not self._queue):
            self._abort(transport, f"is idle for {idle_ms} ms")

    def _abort(self, transport: asyncio.Transport, why: str) -> None:
        assert self._session is not None, "a connection without a session is not looked at"
        log.info("closing connection from %s: it %s", self._session.client_host, why)
        # A close would wait for the client to take what it does not take.
        transport.abort()

    def shrink_if_idle(self) -> None:
        self._buffer.shrink_if_idle()
