"""Requests to the active controller over the quorum's own network, and their answers.

Used for what must get through when everything else is busy: registration and heartbeats.
"""

from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from data_plane.raft.messages import Answer, Ask, Message
from data_plane.raft.node import RaftNode
from data_plane.raft.voters import VoterKey

OnAnswer = Callable[[bytes | None], None]  # None: no controller, or it was lost on the way
OnAsk = Callable[[int, bytes, Callable[[bytes | None], None]], None]


class Waiting(NamedTuple):
    """A request on its way. asked: who led when it was sent."""

    on_answer: OnAnswer
    asked: VoterKey
    until_ms: int


class ControllerLine:
    """on_ask: (broker id, body, answer) of a request that came while this node leads the quorum;

    it calls `answer` once, at once or later, with None to have it asked again elsewhere.
    """

    def __init__(self, node: RaftNode, send: Callable[[Message], None]) -> None:
        self.on_ask: OnAsk = refuse
        self._node = node
        self._send = send
        self._numbers = count(1)
        self._waiting: dict[int, Waiting] = {}

    def ask(self, body: bytes, on_answer: OnAnswer, *, until_ms: int) -> None:
        """Ask whoever leads; `on_answer` may be called before this returns."""
        leader = self._node.leader
        if leader is None:
            on_answer(None)
        elif leader == self._node.me:
            self.on_ask(leader.id, body, on_answer)
        else:
            number = next(self._numbers)
            self._waiting[number] = Waiting(on_answer, leader, until_ms)
            self._send(
                Ask(
                    cluster_id=self._node.cluster_id,
                    source=self._node.me,
                    target=leader,
                    term=self._node.term,
                    request_id=number,
                    body=body,
                )
            )

    def step(self, message: Ask | Answer) -> None:
        """A request or an answer came by the network."""
        if message.cluster_id != self._node.cluster_id or message.target != self._node.me:
            return
        if isinstance(message, Answer):
            waiting = self._waiting.pop(message.request_id, None)
            if waiting is not None:
                waiting.on_answer(None if message.is_refused else message.body)
        elif not self._node.is_leader:
            self._answer(message, None)
        else:
            self.on_ask(message.source.id, message.body, lambda body: self._answer(message, body))

    def tick(self, now_ms: int) -> None:
        """Give up on what was not answered in time, and on whoever no longer leads: a broker that
        waited for a dead controller would be fenced by the next one before it asks there.
        """
        leader = self._node.leader
        for number, waiting in list(self._waiting.items()):
            if now_ms >= waiting.until_ms or leader not in (None, waiting.asked):
                del self._waiting[number]
                waiting.on_answer(None)

    def _answer(self, asked: Ask, body: bytes | None) -> None:
        self._send(
            Answer(
                cluster_id=self._node.cluster_id,
                source=self._node.me,
                target=asked.source,
                term=self._node.term,
                request_id=asked.request_id,
                is_refused=body is None,
                body=body or b"",
            )
        )


def refuse(_broker_id: int, _body: bytes, answer: Callable[[bytes | None], None]) -> None:
    """Until somebody decides what is asked here."""
    answer(None)
