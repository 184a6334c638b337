"""The bytes of one connection that are not parsed yet: one bytearray, parsed in place."""

IDLE_BYTES = 4 * 1024
STEP = 4  # growth factor while reads fill the buffer
GROWN_BYTES_MAX = 256 * 1024  # beyond it only a larger frame makes the buffer grow
BELIEVED_BYTES_MAX = 1024 * 1024  # a claimed frame size is believed at once up to this


class ReceiveBuffer:
    """Unparsed bytes are view[start:filled]; performance.md 12.2 gives the sizes.

    A bytearray under a memoryview cannot be resized, so growing allocates a new one; slices of the
    old one that somebody still holds stay valid. A frame's claimed size beyond a megabyte is paid
    for only as its bytes arrive.
    """

    __slots__ = ("_frame_bytes", "_is_idle", "_was_full", "filled", "start", "view")

    def __init__(self) -> None:
        self.view = memoryview(bytearray(IDLE_BYTES))
        self.start = 0
        self.filled = 0
        self._frame_bytes = 0  # size of the unfinished frame at `start`, 0 while unknown
        self._was_full = False
        self._is_idle = False

    def space(self) -> memoryview:
        """Where the next read may land; never empty."""
        size = len(self.view)
        if self.start + min(self._frame_bytes, BELIEVED_BYTES_MAX) > size:
            self._move(min(self._frame_bytes, BELIEVED_BYTES_MAX) + IDLE_BYTES)
        elif self._was_full and size < GROWN_BYTES_MAX:
            self._move(min(size * STEP, GROWN_BYTES_MAX))
        elif self.filled == size:
            unparsed = size - self.start
            self._move(size if self.start else min(unparsed * STEP, self._wanted(unparsed)))
        self._was_full = False
        return self.view[self.filled :]

    def landed(self, count: int) -> bool:
        """`count` bytes were read; a read that filled the buffer means that more are waiting.

        False if they have only brought an unfinished frame further.
        """
        self.filled += count
        self._is_idle = False
        self._was_full = self.filled == len(self.view)
        return self.filled - self.start >= self._frame_bytes

    def consumed(self, end: int) -> None:
        """Everything before `end` is parsed."""
        self._frame_bytes = 0
        if end == self.filled:
            self.start = self.filled = 0
        else:
            self.start = end

    def expect(self, frame_bytes: int) -> None:
        """The frame that begins at `start` has this many bytes, its size included."""
        self._frame_bytes = frame_bytes

    def shrink_if_idle(self) -> None:
        """Called now and then: the second call without a read between gives the memory back."""
        if self._is_idle and not self.filled and len(self.view) > IDLE_BYTES:
            self.view = memoryview(bytearray(IDLE_BYTES))
        self._is_idle = True

    def _wanted(self, unparsed: int) -> int:
        """Room for the frame under way, or for more of whatever comes."""
        return max(self._frame_bytes, unparsed) + IDLE_BYTES

    def _move(self, size_bytes: int) -> None:
        """Bring the unparsed tail to the front, in a larger buffer where that is needed."""
        tail = self.view[self.start : self.filled]
        count = len(tail)
        if size_bytes <= len(self.view) and self.start:
            self.view[:count] = bytes(tail)
        else:
            grown = memoryview(bytearray(max(size_bytes, count + IDLE_BYTES)))
            grown[:count] = tail
            self.view = grown
        self.start, self.filled = 0, count
