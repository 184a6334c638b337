"""What the server's edge does with a connection, without sockets: frames in, answers in order."""

from collections import deque
from collections.abc import Callable

from data_plane.broker.broker import Broker
from data_plane.broker.dispatch import CloseConnection, Session, dispatch
from data_plane.broker.records_part import RecordsPart
from data_plane.broker.reply import Reply
from data_plane.log.failures import DamagedLog
from data_plane.metadata.features import NEWEST_LEVEL
from data_plane.peers.wire import Asked, channel_of, decode_answer, encode_asked
from data_plane.protocol.primitives import Buffer, DecodeError
from data_plane.replication.peers import OnReply, PeerLost
from tests.simulation.streams import Connection, Streams


def all_of(part: Buffer | RecordsPart) -> bytes:
    """Raises DamagedLog: what was promised of a file cannot be read."""
    if not isinstance(part, RecordsPart):
        return bytes(part)
    pieces: list[bytes] = []
    while len(part):
        pieces.append(part.read(len(part)))
    return b"".join(pieces)


class Served:
    """The server's end of one connection."""

    def __init__(
        self, broker: Broker, session: Session, connection: Connection, wake: Callable[[], None]
    ) -> None:
        """wake: has `flush` called at the end of the turn under way."""
        self._broker = broker
        self._session = session
        self._connection = connection
        self._wake = wake
        self._inbox: deque[bytes] = deque()
        self._replies: deque[Reply] = deque()
        self._is_closed = False

    def take(self, frame: bytes | None, now_ms: int) -> None:
        if frame is None:
            self.close()
            return
        self._inbox.append(frame)
        self.go_on(now_ms)

    def go_on(self, now_ms: int) -> None:
        """Dispatch what has come, until something has to be waited for."""
        while self._inbox and not self._is_closed:
            if self._replies and self._replies[-1].mutes:
                return
            frame = memoryview(bytearray(self._inbox.popleft()))
            try:
                reply = dispatch(self._broker, self._session, frame, now_ms)
            except CloseConnection:
                self.close()
                return
            if reply is None:
                continue
            self._replies.append(reply)
            if reply.is_ready:
                self._wake()
            else:
                reply.when_done(lambda _: self._wake())

    def flush(self, now_ms: int) -> None:
        """Answer what is ready, in the order of the requests."""
        while self._replies and self._replies[0].is_ready and not self._is_closed:
            try:
                answer = b"".join(map(all_of, self._replies.popleft().take()))
            except (CloseConnection, DamagedLog):  # As server/connection.py.
                self.close()
                return
            self._connection.answer(answer)
        self.go_on(now_ms)

    def close(self) -> None:
        self._is_closed = True
        for reply in self._replies:
            reply.abandon()
        self._replies.clear()
        self._connection.reset()

    def vanish(self) -> None:
        """The process is gone with its machine."""
        self._is_closed = True
        self._connection.vanish()


class Channel:
    """One connection to another broker, and who waits for answers on it, in their order."""

    def __init__(self, connect: Callable[[Callable[[bytes | None], None]], Connection]) -> None:
        self.is_lost = False
        self._numbers = 0
        self._waiting: deque[tuple[Asked, OnReply, int]] = deque()
        self._connection = connect(self._take)

    def ask(self, request: object, on_reply: OnReply, until_ms: int) -> None:
        self._numbers += 1
        asked, frame = encode_asked(request, self._numbers, NEWEST_LEVEL)
        self._waiting.append((asked, on_reply, until_ms))
        self._connection.ask(frame)

    def is_late(self, now_ms: int) -> bool:
        return any(until_ms <= now_ms for _, _, until_ms in self._waiting)

    def close(self) -> None:
        self._connection.hang_up()
        self.lose()

    def lose(self) -> None:
        self.is_lost = True
        while self._waiting:
            self._waiting.popleft()[1](PeerLost("the connection is gone"))

    def _take(self, frame: bytes | None) -> None:
        if self.is_lost:
            return
        if frame is None:
            self.lose()
            return
        asked, on_reply, _ = self._waiting.popleft()
        try:
            answer = decode_answer(asked, memoryview(frame))
        except DecodeError:
            on_reply(PeerLost("unreadable"))
            raise
        on_reply(answer)


class SimulatedPeers:
    """Peers over simulated connections: a channel to each broker for each kind of request.

    run: carries out what comes from the network in a turn of this broker's process.
    """

    def __init__(
        self,
        broker_id: int,
        streams: Streams,
        run: Callable[[Callable[[], None]], None],
        ask_self: Callable[[object, OnReply], None],
    ) -> None:
        self._broker_id = broker_id
        self._streams = streams
        self._run = run
        self._ask_self = ask_self
        self._channels: dict[tuple[int, str], Channel] = {}
        self._left: list[Channel] = []  # to brokers that have begun anew

    def request(
        self, broker_id: int, request: object, on_reply: OnReply, *, timeout_ms: int
    ) -> None:
        if broker_id == self._broker_id:
            self._streams.schedule.after(
                0, lambda: self._run(lambda: self._ask_self(request, on_reply))
            )
            return
        key = (broker_id, channel_of(request))
        channel = self._channels.get(key)
        if channel is None or channel.is_lost:
            channel = self._channels[key] = Channel(lambda take: self._connect(broker_id, take))
        channel.ask(request, on_reply, self._streams.schedule.now_ms + timeout_ms)

    def _connect(self, broker_id: int, take: Callable[[bytes | None], None]) -> Connection:
        return self._streams.connect(
            self._broker_id, broker_id, lambda frame: self._run(lambda: take(frame))
        )

    def forget(self, broker_id: int) -> None:
        for key in [key for key in self._channels if key[0] == broker_id]:
            channel = self._channels.pop(key)
            if not channel.is_lost:
                self._left.append(channel)
                self._streams.schedule.after(0, lambda: self._run(self._end_left))

    def _end_left(self) -> None:
        while self._left:
            self._left.pop().close()

    def look(self) -> None:
        """Answers come in order, so one that is late holds up all behind it."""
        for channel in list(self._channels.values()):
            if not channel.is_lost and channel.is_late(self._streams.schedule.now_ms):
                channel.close()

    def close(self) -> None:
        """The process ends: nobody here is told any more."""
        for channel in (*self._channels.values(), *self._left):
            channel.is_lost = True
            channel._connection.hang_up()
        self._left.clear()
