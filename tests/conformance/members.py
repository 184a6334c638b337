"""Group members of the Python clients: each polls in a thread of its own.

A consumer is used by its thread alone (kafka-python demands it); commands come through a queue.
"""

import queue
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from tests.conformance.client import PLAIN, READ_SECONDS_MAX, Client, ClientFailed, Membership
from tests.conformance.record import Record
from tests.conformance.security import Security

ANSWER_SECONDS_MAX = 60.0


class Consuming(Protocol):
    """What a client gives for one member."""

    def poll(self) -> list[Record]:
        """What came within a tenth of a second."""

    def assigned(self) -> list[int]: ...

    def commit(self, topic: str, offsets: Mapping[int, int]) -> None: ...

    def close(self) -> None: ...


class Taken:
    """Records read beyond what was asked for wait for the next call."""

    def __init__(self, poll: Callable[[], list[Record]]) -> None:
        self._poll = poll
        self._kept: list[Record] = []

    def take(self, count: int) -> list[Record]:
        """`count` records, or what came within READ_SECONDS_MAX."""
        deadline = time.monotonic() + READ_SECONDS_MAX
        while len(self._kept) < count and time.monotonic() < deadline:
            self._kept += self._poll()
        taken, self._kept = self._kept[:count], self._kept[count:]
        return taken


class Member:
    """One consumer, its thread, and how far its records were handed out."""

    def __init__(self, open_consumer: Callable[[], Consuming], topic: str) -> None:
        self.topic = topic
        self._commands: queue.Queue[tuple[Callable[[Consuming], Any], Future[Any]]] = queue.Queue()
        self._found: queue.Queue[list[Record]] = queue.Queue()
        self._taken = Taken(self._next_found)
        self._next_offsets: dict[int, int] = {}
        self._error: BaseException | None = None
        self._is_leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(open_consumer,), daemon=True)
        self._thread.start()

    def _run(self, open_consumer: Callable[[], Consuming]) -> None:
        try:
            consumer = open_consumer()
            try:
                while not self._is_leaving.is_set():
                    if found := consumer.poll():
                        self._found.put(found)
                    self._obey(consumer)
            finally:
                consumer.close()
        except BaseException as error:
            self._error = error

    def _obey(self, consumer: Consuming) -> None:
        while not self._commands.empty():
            command, future = self._commands.get()
            try:
                future.set_result(command(consumer))
            except Exception as error:
                future.set_exception(error)

    def ask(self, command: Callable[[Consuming], Any]) -> Any:
        future: Future[Any] = Future()
        self._commands.put((command, future))
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while not future.done():
            self._check()
            assert time.monotonic() < deadline, "the member's thread does not answer"
            time.sleep(0.01)
        return future.result()

    def _check(self) -> None:
        if self._error is not None:
            raise ClientFailed(f"the member ended: {self._error!r}")

    def _next_found(self) -> list[Record]:
        self._check()
        try:
            return self._found.get(timeout=0.1)
        except queue.Empty:
            return []

    def taken(self, count: int) -> list[Record]:
        records = self._taken.take(count)
        for record in records:
            self._next_offsets[record.partition] = record.offset + 1
        return records

    def commit(self) -> None:
        offsets = dict(self._next_offsets)
        self.ask(lambda consumer: consumer.commit(self.topic, offsets))

    def leave(self) -> None:
        self._is_leaving.set()
        self._thread.join(ANSWER_SECONDS_MAX)
        assert not self._thread.is_alive(), "the member did not leave"
        self._check()


class PythonClient(Client):
    """A client whose members live in threads of this process."""

    def __init__(self, address: str, security: Security | None = None) -> None:
        super().__init__(address, security)
        self._members: dict[str, Member] = {}

    @abstractmethod
    def open_member(self, group: str, topic: str, how: Membership) -> Consuming:
        """Subscribe a new consumer; called in the thread that will use it."""

    def close(self) -> None:
        """Whatever a failed scenario left behind."""
        for member in list(self._members):
            self.leave(member)

    def join(self, member: str, group: str, topic: str, how: Membership = PLAIN) -> None:
        self.keep(member, lambda: self.open_member(group, topic, how), topic)

    def keep(self, member: str, open_consumer: Callable[[], Consuming], topic: str) -> None:
        self._members[member] = Member(open_consumer, topic)

    def assigned(self, member: str) -> list[int]:
        return sorted(self._members[member].ask(lambda consumer: consumer.assigned()))

    def taken(self, member: str, count: int) -> list[Record]:
        return self._members[member].taken(count)

    def commit(self, member: str) -> None:
        self._members[member].commit()

    def leave(self, member: str) -> None:
        self._members.pop(member).leave()
