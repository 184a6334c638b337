"""One place in a connection's queue of replies."""

from collections.abc import Callable, Sequence

from data_plane.broker.records_part import RecordsPart
from data_plane.protocol.framing import frame_size
from data_plane.protocol.primitives import Buffer
from data_plane.replication.waiting import Parked

Parts = Sequence[Buffer | RecordsPart]
Encode = Callable[[object], Parts]


class Reply:
    """One place in a connection's queue: parts of a frame without its size, or parked."""

    __slots__ = ("_encode", "_parts", "is_last", "parked", "size_bytes")

    def __init__(self, parts: Parts | None, parked: Parked | None, encode: Encode | None) -> None:
        self._parts = parts
        self.parked = parked
        self._encode = encode
        self.size_bytes = 0  # of the request, while parked: what the in-flight cap counts
        self.is_last = False  # the connection is closed once it has left

    @property
    def is_ready(self) -> bool:
        return self.parked is None or self.parked.is_done

    @property
    def mutes(self) -> bool:
        """The connection reads no further request until this reply has left."""
        return self.parked is not None and self.parked.mutes and not self.parked.is_done

    def when_done(self, callback: Callable[[object], None]) -> None:
        """Call back once a parked reply is ready, at once if it is."""
        assert self.parked is not None, "what is not ready is parked"
        self.parked.when_done(callback)

    def abandon(self) -> None:
        """The connection is gone."""
        if self.parked is not None:
            self.parked.abandon()

    def take(self) -> Parts:
        """The frame's parts; encoded here, so that a failure is that connection's own.

        Raises CloseConnection.
        """
        if self._parts is None:
            assert self.parked is not None, "a reply has parts or is parked"
            assert self._encode is not None, "a parked reply knows its encoding"
            self._parts = self._encode(self.parked.response)
        return self._parts

    def frame(self) -> Parts:
        """As `take`, with the size of it all in front: what goes over the wire."""
        parts = self.take()
        return (frame_size(parts), *parts)
