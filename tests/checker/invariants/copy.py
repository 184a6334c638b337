"""15: a transactional copier's output is its input, once each, and it committed what it copied."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.checker.anomalies import Anomaly
from tests.checker.history import topic_of
from tests.checker.views import PartitionView, Views


def check(views: Views) -> Iterator[Anomaly]:
    for copy in views.history.meta.get("copies", ()):
        yield from check_copy(views, copy)


def check_copy(views: Views, copy: dict[str, Any]) -> Iterator[Anomaly]:
    """copy: input and output topic, and the group whose commits say how far it came."""
    copied = copied_values(views, copy["output"])
    for view in views:
        if topic_of(view.name) != copy["input"]:
            continue
        done = committed_offset(views, copy["group"], view.name)
        for value in view.read_committed:
            times = copied.pop(value, 0)
            offset = view.offset_of[value]
            kind = verdict(times, offset, done)
            if kind is not None:
                yield anomaly(kind, view, value, times, done)
    for value, times in copied.items():
        witness = {"output": copy["output"], "source": value, "times": times}
        yield Anomaly("copy-of-nothing", value, "", witness)


def verdict(times: int, offset: int, done: int | None) -> str | None:
    if times > 1:
        return "copy-twice"
    if done is None:
        return None  # Nobody asked how far the group came.
    if times == 0 and offset < done:
        return "copy-missing"
    if times == 1 and offset >= done:
        return "copy-uncommitted"
    return None


def anomaly(kind: str, view: PartitionView, value: int, times: int, done: int | None) -> Anomaly:
    offset = view.offset_of[value]
    witness = {"value": value, "offset": offset, "copied": times, "committed_offset": done}
    return Anomaly(kind, offset, view.name, witness)


def copied_values(views: Views, output: str) -> Counter[int]:
    """Count the input values that readers of committed records find in the output."""
    history = views.history
    found: Counter[int] = Counter()
    for view in views:
        if topic_of(view.name) == output:
            found.update(
                source
                for value in view.read_committed
                if (source := history.sends.source.get(view.row_of.get(value, -1))) is not None
            )
    return found


def committed_offset(views: Views, group: str, partition: str) -> int | None:
    """The last committed offset that the coordinator told, in the final phase."""
    began = views.history.phases.get("final", 0)
    told = [
        one
        for one in views.history.fetched.get((group, partition), ())
        if one.t0 >= began and one.offset is not None
    ]
    return max(told, key=lambda one: one.t1).offset if told else None
