"""The order of test files: every long one exists, and both kinds of workers find their work."""

import pytest

from tests.conftest import ROOT
from tests.schedule import LONG, FileSeconds, next_file

CHAOS, KILLS = "tests/chaos/test_chaos.py", "tests/e2e/test_kills.py"
WAITING = {"tests/unit/test_few.py": 2, "tests/unit/test_many.py": 300, KILLS: 5, CHAOS: 19}


def test_every_long_file_exists() -> None:
    assert [file for file in LONG if not (ROOT / file).is_file()] == []


@pytest.mark.parametrize(
    ("is_filling", "order"),
    [
        (False, [CHAOS, KILLS, "tests/unit/test_many.py", "tests/unit/test_few.py"]),
        (True, ["tests/unit/test_many.py", "tests/unit/test_few.py", CHAOS, KILLS]),
    ],
)
def test_each_kind_of_worker_takes_its_own_first_and_then_the_other(
    is_filling: bool, order: list[str]
) -> None:
    waiting = dict(WAITING)
    found = []
    while waiting:
        found.append(next_file(waiting, is_filling))
        del waiting[found[-1]]
    assert found == order


def test_seconds_add_up_by_file() -> None:
    seconds = FileSeconds()
    for name, duration in (("a.py::test_x[1]", 1.5), ("a.py::test_y", 0.25), ("b.py::test_z", 1.0)):
        report = pytest.TestReport(name, ("", 0, ""), {}, "passed", None, "call", duration=duration)
        seconds.pytest_runtest_logreport(report)
    assert seconds.longest() == [(1.75, "a.py"), (1.0, "b.py")]
