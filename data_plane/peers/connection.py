"""One connection to another broker: requests pipelined, answers in their order."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

from data_plane.peers.silence import notice_silence
from data_plane.peers.wire import Asked, decode_answer, encode_asked, framed
from data_plane.protocol.primitives import INT32, DecodeError
from data_plane.replication.peers import OnReply, PeerLost

log = logging.getLogger(__name__)

SCRATCH_BYTES: Final = 64 * 1024  # what one read takes; a larger frame gets a buffer of its own
FRAME_BYTES_MAX: Final = 100 * 1024 * 1024
SIZE_BYTES: Final = 4
CORRELATION_MASK: Final = 0x7FFF_FFFF


class Waiting(NamedTuple):
    """Whom to tell of an answer, and until when, in the loop's own seconds."""

    asked: Asked
    on_reply: OnReply
    deadline_s: float


class PeerConnection(asyncio.BufferedProtocol):
    """Frames out and in; a large answer is received where it stays, without a copy.

    on_turn: called behind each batch of answers, to end the turn that they began.
    on_lost: called once, when nothing more can be asked here.
    """

    def __init__(self, on_turn: Callable[[], None], on_lost: Callable[[], None]) -> None:
        self._on_turn = on_turn
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Waiting] = deque()
        self._correlation_id = 0
        self._scratch = bytearray(SCRATCH_BYTES)
        self._filled = 0  # of the scratch buffer
        self._frame: bytearray | None = None  # a large answer on its way in
        self._frame_filled = 0
        self._is_lost = False

    def ask(self, request: object, on_reply: OnReply, deadline_s: float, level: int) -> None:
        """Send a request as a level of `ottla.version` has it; the connection was made.

        If it is about to be lost, the answer is that.
        """
        assert self._transport is not None, "a connection is used once it is made"
        self._correlation_id = (self._correlation_id + 1) & CORRELATION_MASK
        asked, frame = encode_asked(request, self._correlation_id, level)
        self._waiting.append(Waiting(asked, on_reply, deadline_s))
        if not self._transport.is_closing():  # uvloop refuses to write then
            self._transport.write(framed(frame))

    @property
    def is_lost(self) -> bool:
        """Nothing can be asked any more; whoever had been waiting was told."""
        return self._is_lost

    def look_at_deadlines(self, now_s: float) -> None:
        """Answers come in order, so one that is late holds up all behind it: all are lost."""
        if any(one.deadline_s <= now_s for one in self._waiting):
            self.close("no answer in time")

    def close(self, reason: str) -> None:
        """Nothing more is asked; what is under way is lost."""
        if self._transport is not None:
            self._transport.abort()
        self._lose(reason)

    # --- asyncio's callbacks -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        notice_silence(transport)

    def get_buffer(self, sizehint: int) -> Any:  # noqa: ARG002 - asyncio's signature
        if self._frame is not None:
            return memoryview(self._frame)[self._frame_filled :]
        return memoryview(self._scratch)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        try:
            if self._frame is not None:
                self._continue_frame(self._frame, nbytes)
            else:
                self._filled += nbytes
                self._parse()
        except DecodeError as error:
            log.warning("closing a connection to a broker: %s", error)
            self.close(str(error))
        self._on_turn()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(str(exc or "closed"))
        self._on_turn()

    # --- answers -------------------------------------------------------------------------------

    def _continue_frame(self, frame: bytearray, nbytes: int) -> None:
        self._frame_filled += nbytes
        if self._frame_filled == len(frame):
            self._frame = None
            self._deliver(memoryview(frame))

    def _parse(self) -> None:
        scratch, at = memoryview(self._scratch), 0
        while self._filled - at >= SIZE_BYTES:
            (size,) = INT32.unpack_from(scratch, at)
            if not 0 <= size <= FRAME_BYTES_MAX:
                raise DecodeError(f"an answer of {size} bytes")
            start = at + SIZE_BYTES
            if self._filled - start < size:
                if SIZE_BYTES + size > SCRATCH_BYTES:
                    self._frame = bytearray(size)
                    self._frame_filled = self._filled - start
                    self._frame[: self._frame_filled] = scratch[start : self._filled]
                    at = self._filled
                break
            at = start + size
            self._deliver(memoryview(bytes(scratch[start:at])))
        rest = bytes(scratch[at : self._filled])
        scratch[: len(rest)] = rest
        self._filled = len(rest)

    def _deliver(self, frame: memoryview) -> None:
        if not self._waiting:
            raise DecodeError("an answer to nothing")
        one = self._waiting.popleft()
        try:
            response = decode_answer(one.asked, frame)
        except DecodeError:
            self._tell(one, PeerLost("unreadable answer"))
            raise
        self._tell(one, response)

    def _lose(self, reason: str) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        self._on_lost()
        while self._waiting:
            self._tell(self._waiting.popleft(), PeerLost(reason))

    def _tell(self, one: Waiting, response: object) -> None:
        try:
            one.on_reply(response)
        except Exception:
            log.exception("an answer from a broker could not be taken in")
