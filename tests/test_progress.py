"""Long runs say where they stand, and end in order when they are asked to."""

import io
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from tests import progress as progress_module
from tests.progress import LINE_EVERY_S, Progress
from tests.stopping import Stopping


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_line_says_what_is_done_how_long_it_took_and_what_is_left() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(300, stream, what="faults", label="kills", clock=clock)
    clock.now_s += 120
    progress.step(30, "4,000 acknowledged")
    assert stream.getvalue() == (
        "\rkills [##----------------------] 30/300 faults, 2.0 min, 15/min, 18.0 min left; "
        "4,000 acknowledged\033[K"
    )


def test_a_log_has_a_line_now_and_then() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(10, stream, what="faults", look=lambda: "warm-up", clock=clock)
    progress.step(1)
    assert not stream.getvalue()
    clock.now_s += LINE_EVERY_S
    progress.tell()
    progress.tell()
    (line,) = stream.getvalue().splitlines()
    assert line == "[##----------------------] 1/10 faults, 0.5 min, 2/min, 4.5 min left; warm-up"
    progress.end()
    assert stream.getvalue() == f"{line}\n"


def test_what_nobody_knows_beforehand_is_only_counted() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(0, stream, what="figures", label="idle", clock=clock)
    progress.step(2)
    assert stream.getvalue() == "\ridle 2 figures, 0.0 min\033[K"


def test_nothing_done_yet_promises_no_end() -> None:
    stream = Terminal()
    Progress(8, stream, clock=Clock()).tell(is_due=True)
    assert "left" not in stream.getvalue()


def test_a_run_that_is_being_ended_promises_nothing_more() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(40, stream, what="faults", clock=clock)
    clock.now_s += 60
    progress.step(3)
    assert "3/min, 12.3 min left" in stream.getvalue()
    progress.is_estimated = False
    progress.step(0, "reading back")
    assert stream.getvalue().endswith("3/40 faults, 1.0 min; reading back\033[K")


def test_it_tells_of_itself_while_nothing_gets_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "REDRAWN_EVERY_S", 0.001)
    looked = threading.Event()

    def look() -> str:
        looked.set()
        return "waiting"

    stream = Terminal()
    with Progress(8, stream, look=look):
        assert looked.wait(60)
    assert "0/8 worlds, 0.0 min; waiting" in stream.getvalue()
    assert stream.getvalue().endswith("\r\033[K")


def test_what_is_found_goes_to_stdout_and_the_line_makes_way(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = Terminal()
    progress = Progress(8, stream)
    progress.step(1)
    progress.say("seed 3: lost")
    assert capsys.readouterr().out == "seed 3: lost\n"
    assert stream.getvalue().endswith("\r\033[K")


def test_a_stream_that_is_gone_fails_no_run() -> None:
    stream = Terminal()
    progress = Progress(8, stream)
    stream.close()
    with progress:
        progress.step(1)
    Progress(8, stream).step(1)


@pytest.fixture
def not_under_nohup() -> Iterator[None]:
    """Whoever runs the tests may have this process ignore the end of its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("not_under_nohup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_once_a_run_ends_in_order_asked_twice_at_once(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    stopping = Stopping()
    before = signal.getsignal(number)
    with stopping.heard("stopping"):
        assert stopping.goes_on()
        os.kill(os.getpid(), number)
        assert (stopping.is_asked, stopping.is_cut) == (True, False), "nobody has heeded it yet"
        assert not stopping.goes_on()
        assert (stopping.is_asked, stopping.is_cut) == (True, True)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert capsys.readouterr().err == "\nstopping\n"
    assert signal.getsignal(number) == before


def test_who_is_not_to_be_hung_up_is_not() -> None:
    """As `nohup` starts it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stopping = Stopping()
        with stopping.heard("stopping"):
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stopping.is_asked
    finally:
        signal.signal(signal.SIGHUP, before)
