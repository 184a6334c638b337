"""13: an acknowledgement names an impossible offset: negative, a stray zero, past the end."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.history import NO_OFFSET, OK
from tests.checker.views import Views


def check(views: Views) -> Iterator[Anomaly]:
    history = views.history
    sends = history.sends
    ends = final_ends(views)
    for view in views:
        end = ends.get(view.name)
        for row in view.sends:
            offset = sends.offset[row]
            if sends.state[row] != OK or offset == NO_OFFSET:
                continue
            if offset < 0:
                reason = "negative"
            elif end is not None and offset >= end:
                reason = f"the log ends at {end}"
            elif offset == 0 and view.offset_of.get(sends.value[row], 0) != 0:
                reason = f"the record is at {view.offset_of[sends.value[row]]}"
            elif offset == 0 and view.value_at.get(0) != sends.value[row]:
                reason = "another record is at 0"
            else:
                continue
            witness = {"reason": reason, "send": views.send(row)}
            yield Anomaly("bad-offset", offset, view.name, witness)


def final_ends(views: Views) -> dict[str, int]:
    """Log ends as ListOffsets told them at the very end; every send had ended by then."""
    return {
        answer.partition: answer.offset
        for answer in views.history.offset_answers
        if answer.is_final
        and answer.at == -1
        and answer.isolation == "read_uncommitted"
        and answer.offset is not None
    }
