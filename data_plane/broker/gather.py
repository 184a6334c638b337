"""One response made of several decisions, each of which waits for its own shard."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from data_plane.protocol.errors import KafkaError
from data_plane.replication.waiting import Parked

Part = TypeVar("Part")
Whole = TypeVar("Whole")


def gather(
    parts: Sequence[Part | KafkaError | Parked],
    combine: Callable[[Sequence[Part | KafkaError]], Whole],
) -> Whole | Parked:
    """Combine `parts`, in their order, once the last parked one is answered.

    A part whose shard was lost while it waited arrives as the KafkaError it was answered with.
    """
    answers: list[Part | KafkaError | Parked] = list(parts)
    waiting = {at: part for at, part in enumerate(parts) if isinstance(part, Parked)}
    if not waiting:
        return combine(answers)  # type: ignore[arg-type]  # nothing parked is among them
    whole = Parked()

    def arrived(at: int, answer: Part | KafkaError) -> None:
        answers[at] = answer
        del waiting[at]
        if not waiting:
            whole.complete(combine(answers))  # type: ignore[arg-type]  # the last one has arrived

    for at, parked in list(waiting.items()):
        parked.when_done(lambda answer, at=at: arrived(at, answer))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    return whole


def then(
    answer: Part | KafkaError | Parked, go_on: Callable[[Part], Whole | Parked]
) -> Whole | KafkaError | Parked:
    """Go on with an answer, at once or when it is there; an error on the way is the whole."""
    if isinstance(answer, KafkaError):
        return answer
    if not isinstance(answer, Parked):
        return go_on(answer)
    whole = Parked()

    def arrived(part: object) -> None:
        try:
            got = part if isinstance(part, KafkaError) else go_on(part)  # type: ignore[arg-type]  # no Parked is left among the parts
        except KafkaError as error:
            got = error
        if isinstance(got, Parked):
            got.when_done(finish)
        else:
            whole.complete(got)

    def finish(got: object) -> None:
        whole.complete(got)

    answer.when_done(arrived)
    return whole
