"""What compaction must know of transactions: whose data is aborted, and when a marker may go.

A marker goes only when nothing of its transaction is left before it, and past its delete horizon.
Fed with every batch of the range in order, once per pass. Source: KIP-98, KIP-534.
"""

from collections.abc import Sequence

from data_plane.log.txn_index import AbortedTransaction
from data_plane.protocol.records.batch import BatchHeader


class CleanedTransactions:
    """One walk along a log."""

    def __init__(self, aborted: Sequence[AbortedTransaction]) -> None:
        """aborted: every aborted transaction with an offset in the range."""
        self._to_come = sorted(aborted, key=lambda one: one.first_offset, reverse=True)
        self._aborting: dict[int, AbortedTransaction] = {}
        self._with_data: set[int] = set()  # producers whose open transaction has batches left

    def is_aborted(self, header: BatchHeader) -> bool:
        """Take in a data batch; True if its records may go at once: nobody may ever read them."""
        self._reach(header.last_offset)
        if not header.is_transactional:
            return False
        self._with_data.add(header.producer_id)
        one = self._aborting.get(header.producer_id)
        # A marker that went before, or lies before this walk's start, still ends its transaction.
        return one is not None and header.last_offset < one.last_offset

    def end(self, header: BatchHeader) -> tuple[bool, AbortedTransaction | None]:
        """Take in a control batch.

        Returns whether nothing is left of its transaction, so that the marker may go past its
        horizon, and the aborted transaction that readers must still be told about.
        """
        self._reach(header.last_offset)
        had_data = header.producer_id in self._with_data
        self._with_data.discard(header.producer_id)
        aborted = self._aborting.pop(header.producer_id, None)
        return not had_data, aborted if had_data else None

    def _reach(self, offset: int) -> None:
        while self._to_come and self._to_come[-1].first_offset <= offset:
            one = self._to_come.pop()
            self._aborting[one.producer_id] = one
