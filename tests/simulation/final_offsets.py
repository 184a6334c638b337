"""What every group's offsets are in the end, asked as any consumer would."""

from collections.abc import Sequence

from data_plane.protocol.messages.find_coordinator import GROUP
from data_plane.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from tests.simulation.clients import Ask, Script, Who, Worker
from tests.simulation.cluster_invariants import Violation
from tests.simulation.groups import Book
from tests.simulation.plan import MAIN
from tests.simulation.transactions import TransactionalProducer


class FinalOffsets(Worker):
    """Idle once everything was told and found right."""

    def __init__(
        self, who: Who, book: Book | None, producers: Sequence[TransactionalProducer]
    ) -> None:
        super().__init__(who)
        self._book = book
        self._producers = producers

    def start(self) -> None:
        self.play(self._judge_all())

    def _judge_all(self) -> Script[None]:
        if self._book is not None:
            for index in range(self._book.partitions):
                offset = yield from self._offset(self._book.group_id, index)
                self._book.was_fetched(index, offset, self._book.acknowledged[index])
        for producer in self._producers:
            offset = yield from self._offset(producer.group_id, 0)
            judge_offset(producer, offset)
        self.is_idle = True

    def _offset(self, group_id: str, index: int) -> Script[int]:
        topics = [OffsetFetchRequestTopic(MAIN, [index])]
        request = OffsetFetchRequest(group_id, topics, require_stable=True)
        while True:
            coordinator = yield from self.coordinator(group_id, GROUP)
            response = yield Ask(coordinator, request, 7)
            if response is not None and not response.error_code:
                row = response.topics[0].partitions[0]
                if not row.error_code:
                    return int(row.committed_offset)
            yield self.backoff_ms()


def judge_offset(producer: TransactionalProducer, offset: int) -> None:
    """It is that of the last transaction that was committed with one, or of one that may be."""
    tried = [one for one in producer.attempts if one.offset >= 0]
    sure = max((one.offset for one in tried if one.fate == "committed"), default=-1)
    maybe = {one.offset for one in tried if one.fate == "perhaps" and one.offset > sure}
    if offset not in {sure, *maybe}:
        raise Violation(
            f"{producer.group_id} is at {offset}, committed was {sure}, perhaps {maybe}"
        )
