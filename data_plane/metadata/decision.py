"""What a stateful shard answers, and what it writes before that answer may leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Answer = TypeVar("Answer")
Response_co = TypeVar("Response_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Decision(Generic[Response_co]):
    """Decide, append, replay, answer when committed (design.md rule 2, durability.md 4).

    response: what the asker gets once `records` are committed; None if only `replies` answer.
    records: what changes, in order; appended as one atomic batch and replayed at append. Empty
    means nothing changes, yet the answer still waits until what it was derived from is committed.
    replies: (token, response) of requests parked earlier that this change answers; the token is
    whatever the shard was given when it parked them, most often a `Parked`.
    is_begun: the shard has changed already, in what is not in the log, as if `records` were there;
    so they must be appended, also where a decision that is refused would leave no trace.
    """

    response: Response_co
    records: Sequence[object] = ()
    replies: Sequence[tuple[object, object]] = ()
    is_begun: bool = False

    def answering(self, response: Answer) -> "Decision[Answer]":
        """Return the same change under another answer, the API's own."""
        return Decision(response, self.records, self.replies, self.is_begun)
