"""The nineteen invariants, one a file; `check(views)` yields what breaks it.

`ALL` is the table: number and name as in reliability.md 4. Every anomaly here makes a history bad;
what Kafka allows (write cycles, gaps in a producer's offsets) is in allowed.py and only counted.
"""

from collections.abc import Callable, Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.invariants import (
    aborted_read,
    availability,
    bad_offset,
    cleaning,
    copy,
    cycles,
    duplicate,
    groups,
    inconsistent_offset,
    key_order,
    lost_write,
    phantom,
    polls,
    precommitted_read,
    real_time,
    send_order,
    timestamps,
    torn_transaction,
    unseen,
)
from tests.checker.views import Views

Check = Callable[[Views], Iterator[Anomaly]]

ALL: dict[int, Check] = {
    1: lost_write.check,
    2: unseen.check,
    3: duplicate.check,
    4: inconsistent_offset.check,
    5: aborted_read.check,
    6: precommitted_read.check,
    7: torn_transaction.check,
    8: polls.check,
    9: send_order.check,
    10: key_order.check,
    11: cycles.check,
    12: phantom.check,
    13: bad_offset.check,
    14: groups.check,
    15: copy.check,
    16: cleaning.check,
    17: timestamps.check,
    18: availability.check,
    19: real_time.check,
}
