"""Which worker runs which test file, and when: `make test` hands them out by this.

Two kinds of files are told apart. Those of LONG spend most of their time waiting, for programs to
start, for timeouts, for a cluster to notice a loss; one that began last would keep one worker busy
while the others have nothing left. All others, some 14,000 tests, compute. So one worker, the last,
takes from the computing ones, and the others from the long ones, the longest first; whoever finds
none left of its kind takes of the other. What computes thereby fills the time in which others wait.
"""

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.workermanage import WorkerController

# Seconds, two workers on two cores with nothing beside them, 2026-11-30 (upgrade_nodes,
# lost_in_change and growth_on_one_node: three workers); `make test` ends with a list that tells
# what has become longer since.
LONG: Final = {
    "tests/chaos/test_chaos.py": 179,
    "tests/e2e/test_kills.py": 151,
    "tests/e2e/test_tour.py": 124,
    "tests/e2e/test_faults.py": 103,
    "tests/e2e/test_upgrade_nodes.py": 99,
    "tests/e2e/test_lost_in_change.py": 93,
    "tests/e2e/test_plan_change.py": 84,
    "tests/e2e/test_lost_node.py": 82,
    "tests/integration/agent/test_losses.py": 66,
    "tests/e2e/test_demo.py": 62,
    "tests/e2e/test_growth_on_one_node.py": 56,
    "tests/e2e/test_extended.py": 43,
    "tests/integration/data_plane/test_compaction.py": 42,
    "tests/integration/agent/test_real_cluster.py": 39,
    "tests/integration/data_plane/test_rolling_upgrade.py": 37,
    "tests/e2e/test_standard.py": 36,
    "tests/e2e/test_wheel.py": 36,
    "tests/bench/test_bench.py": 31,
    "tests/integration/agent/test_supervision.py": 30,
    "tests/fuzz/test_fuzz.py": 30,
    "tests/integration/data_plane/test_cluster.py": 24,
    "tests/e2e/test_transactions.py": 24,
    "tests/integration/agent/test_upgrades.py": 23,
    "tests/integration/control_plane/tasks/test_worker.py": 21,
    "tests/integration/agent/test_several_nodes.py": 19,
    "tests/integration/data_plane/test_clients.py": 10,
    "tests/e2e/test_dashboard_browser.py": 10,
    "tests/integration/data_plane/test_cluster_failover.py": 9,
    "tests/integration/data_plane/test_sasl.py": 8,
}
TOLD: Final = 20


class LongFirst(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """As --dist loadfile, a file to one worker as a whole; only which comes next differs."""

    def _assign_work_unit(self, node: "WorkerController") -> None:
        is_filling = len(self.nodes) > 1 and node is self.nodes[-1]
        chosen = next_file({file: len(tests) for file, tests in self.workqueue.items()}, is_filling)
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)


def next_file(waiting: dict[str, int], is_filling: bool) -> str:
    """What a worker takes next of `waiting`: file -> number of its tests, never empty."""

    def rank(file: str) -> tuple[bool, int, int]:
        return (file in LONG) is not is_filling, LONG.get(file, 0), waiting[file]

    return max(waiting, key=rank)


class FileSeconds:
    """A plugin that adds up how long each file's tests took, and tells the longest in the end."""

    def __init__(self) -> None:
        self.taken: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: "pytest.TestReport") -> None:
        self.taken[report.nodeid.partition("::")[0]] += report.duration

    def longest(self) -> list[tuple[float, str]]:
        return sorted(((seconds, file) for file, seconds in self.taken.items()), reverse=True)

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        terminalreporter.section("longest files")
        terminalreporter.line(f"{sum(self.taken.values()):8.1f} s in all, of all workers")
        for seconds, file in self.longest()[:TOLD]:
            terminalreporter.line(f"{seconds:8.1f} s {file}")
