"""Admin requests on their way to the active controller, and back (KIP-590).

A broker whose controller does not decide sends the client's whole request to the one that does, in
an Envelope with who asked. The answer carries how far the metadata had come, and leaves only when
this broker's own image has come as far, so that what was created is there to be seen.

What the controller refuses to decide (NOT_CONTROLLER) was never done, and is sent again elsewhere
until its deadline. What was lost on the way may have been done: the controller remembers the
answers of late, so it is sent again under the same number; a controller that does not know the
number carries it out, but then tells no error, which the first copy may have caused: it tells
REQUEST_TIMED_OUT, for nobody knows.
"""

import itertools
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode, KafkaError, NotController, RequestTimedOut
from data_plane.protocol.messages.envelope import EnvelopeRequest, EnvelopeResponse
from data_plane.protocol.schema import (
    DecodeError,
    data_record,
    decode,
    encode,
    int32,
    int64,
)
from data_plane.replication.peers import Peers
from data_plane.replication.waiting import Parked

# Metadata only where it creates what is missing; FindCoordinator asks for its topic by itself.
FORWARDED: Final = frozenset({3, 19, 20, 30, 31, 33, 37, 43, 44, 45, 49, 51, 55, 57, 64})
RETRY_MS: Final = 50
ANSWER_MS_MAX: Final = 10_000
IMAGE_MS_MAX: Final = 5_000  # an answer waits so long for this broker's own image
FORWARD_MS_MAX: Final = 60_000
REMEMBERED_MAX: Final = 1_000  # answers of late, for all brokers together
_OFFSET = struct.Struct(">q")


@data_record(versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class ForwardedFor:
    """Who asked, and which request of which process this is."""

    principal: str
    listener: str
    broker_id: int32
    life: int64  # drawn by each process, so that its numbers are its own
    number: int64
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class ForwardedAnswer:
    """A whole response with its header, as the controller's broker encoded it."""

    frame: bytes


class ForwardingBroker(Protocol):
    """The part of the broker that forwarding uses."""

    now_ms: int

    @property
    def peers(self) -> Peers: ...

    @property
    def image(self) -> MetadataImage: ...

    @property
    def controller_id(self) -> int | None: ...


class Forward:
    """One request of a client, until it is answered."""

    __slots__ = ("deadline_ms", "due_ms", "frame", "host", "is_again", "number", "parked", "who")

    def __init__(
        self, frame: bytes, who: tuple[str, str], host: str, number: int, deadline_ms: int
    ) -> None:
        self.frame = frame
        self.who = who
        self.host = host
        self.number = number
        self.deadline_ms = deadline_ms
        self.is_again = False
        self.due_ms = 0
        self.parked = Parked()


class Forwarding:
    """The requests that this broker has sent on; every method returns at once."""

    def __init__(self, broker: ForwardingBroker, broker_id: int, rng: Random) -> None:
        self._broker = broker
        self._broker_id = broker_id
        self._life = rng.getrandbits(62)
        self._numbers = itertools.count(1)
        self._again: list[Forward] = []  # to be sent when they are due
        self._answered: list[tuple[int, Forward, bytes]] = []  # offset, request, response

    def send(
        self, frame: bytes, *, principal: str, listener: str, host: str, timeout_ms: int
    ) -> Parked:
        """Have the active controller answer a request; completes with ForwardedAnswer or an error.

        frame: the request with its header. timeout_ms: what the client gave it.
        """
        deadline_ms = self._broker.now_ms + min(max(timeout_ms, RETRY_MS), FORWARD_MS_MAX)
        number = next(self._numbers)
        forward = Forward(frame, (principal, listener), host, number, deadline_ms)
        self._send(forward)
        return forward.parked

    def step(self, now_ms: int) -> None:
        """Send again what is due, and let go of what this broker's image has caught up with."""
        if self._again:
            due = [one for one in self._again if one.due_ms <= now_ms]
            self._again = [one for one in self._again if one.due_ms > now_ms]
            for forward in due:
                self._send(forward)
        if self._answered:
            self._release(now_ms)

    @property
    def next_due_ms(self) -> int | None:
        """When `step` has work again; None: nothing waits."""
        if not self._again and not self._answered:
            return None
        due = [one.due_ms for one in self._again]
        due += [one.deadline_ms for _, one, _ in self._answered]
        return min(due, default=None)

    def _send(self, forward: Forward) -> None:
        now_ms, target = self._broker.now_ms, self._broker.controller_id
        if now_ms >= forward.deadline_ms:
            # Sent and lost, or never sent: only the latter may be told as not done.
            forward.parked.complete(RequestTimedOut() if forward.is_again else NotController())
            return
        if target is None:
            self._later(forward)
            return
        principal, listener = forward.who
        about = ForwardedFor(
            principal, listener, self._broker_id, self._life, forward.number, forward.is_again
        )
        self._broker.peers.request(
            target,
            EnvelopeRequest(forward.frame, encode(about, 0), forward.host.encode()),
            lambda response: self._arrived(forward, response),
            timeout_ms=min(ANSWER_MS_MAX, forward.deadline_ms - now_ms),
        )

    def _later(self, forward: Forward) -> None:
        forward.due_ms = self._broker.now_ms + RETRY_MS
        self._again.append(forward)

    def _arrived(self, forward: Forward, response: object) -> None:
        if not isinstance(response, EnvelopeResponse):
            forward.is_again = True  # Lost, and perhaps carried out.
            self._later(forward)
        elif response.error_code == ErrorCode.NOT_CONTROLLER:
            self._later(forward)
        elif response.error_code or response.response_data is None:
            forward.parked.complete(KafkaError(code=ErrorCode(response.error_code)))
        else:
            (offset,) = _OFFSET.unpack_from(response.response_data)
            forward.deadline_ms = min(forward.deadline_ms, self._broker.now_ms + IMAGE_MS_MAX)
            self._answered.append((offset, forward, response.response_data[_OFFSET.size :]))
            self._release(self._broker.now_ms)

    def _release(self, now_ms: int) -> None:
        reached = self._broker.image.offset
        waiting = []
        for offset, forward, frame in self._answered:
            # An image that does not come, as where the disk is full, is no reason to keep back
            # what was decided.
            if offset <= reached or now_ms >= forward.deadline_ms:
                forward.parked.complete(ForwardedAnswer(frame))
            else:
                waiting.append((offset, forward, frame))
        self._answered = waiting


Outcome = EnvelopeResponse | KafkaError
OnOutcome = Callable[[Outcome], None]


class Remembered:
    """Answers to forwarded requests of late, by (broker, process, number)."""

    def __init__(self) -> None:
        self._done: OrderedDict[tuple[int, int, int], Outcome] = OrderedDict()
        self._waiting: dict[tuple[int, int, int], list[OnOutcome]] = {}

    def begin(self, about: ForwardedFor, on_outcome: OnOutcome) -> bool:
        """True if the request is new here; else `on_outcome` gets the answer of the first copy."""
        key = _key(about)
        if key in self._done:
            on_outcome(self._done[key])
            return False
        if key in self._waiting:
            self._waiting[key].append(on_outcome)
            return False
        self._waiting[key] = [on_outcome]
        return True

    def end(self, about: ForwardedFor, outcome: Outcome) -> None:
        """Answer every copy. What was not decided here is not remembered: it may be tried again."""
        key = _key(about)
        if not isinstance(outcome, NotController):
            self._done[key] = outcome
            while len(self._done) > REMEMBERED_MAX:
                self._done.popitem(last=False)
        for on_outcome in self._waiting.pop(key, ()):
            on_outcome(outcome)


def _key(about: ForwardedFor) -> tuple[int, int, int]:
    return about.broker_id, about.life, about.number


def forwarded_for(request: EnvelopeRequest) -> ForwardedFor:
    """Raises DecodeError."""
    if request.request_principal is None:
        raise DecodeError("an envelope names nobody")
    return decode(ForwardedFor, 0, request.request_principal)


def envelope_response(frame: bytes, metadata_offset: int) -> EnvelopeResponse:
    return EnvelopeResponse(_OFFSET.pack(metadata_offset) + frame)
