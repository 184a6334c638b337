"""What the client processes do; one file per workload, `WORKLOADS` names them."""

from collections.abc import Callable

from tests.chaos.workloads import copying, final, group, produce, read, transact
from tests.chaos.workloads.task import Task

WORKLOADS: dict[str, Callable[[Task], None]] = {
    "produce": produce.run,
    "transact": transact.run,
    "copy": copying.run,
    "group": group.run,
    "tail": read.run,
    "read": read.run,
    "final": final.run,
}
