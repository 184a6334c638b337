"""What the program says when it serves: scripts read HOST:PORT from it."""

import os
import signal

import pytest

from data_plane.server.main import announce, main


@pytest.mark.parametrize(
    ("host", "line"),
    [("127.0.0.1", "ready 127.0.0.1:9092"), ("::1", "ready [::1]:9092")],
)
def test_the_ready_line_names_an_address_to_connect_to(
    host: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    announce(host, 9092)
    assert capsys.readouterr().out.splitlines() == [line]


def test_what_clients_are_told_is_said_where_it_differs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    announce("127.0.0.1", 9092, "kafka.test")
    announce("127.0.0.1", 9092, "127.0.0.1")
    assert capsys.readouterr().out.splitlines() == [
        "ready 127.0.0.1:9092",
        "clients are told kafka.test:9092",
        "ready 127.0.0.1:9092",
    ]


def test_a_signal_while_modules_are_imported_ends_it_cleanly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is open yet; whoever stops a cluster that is starting must not read it as a crash."""
    before = signal.getsignal(signal.SIGTERM)

    def importing(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal came first")

    monkeypatch.setattr(main, "get_command", importing)
    with pytest.raises(SystemExit) as ended:
        main.main(["cluster"])
    assert ended.value.code == 0
    assert signal.getsignal(signal.SIGTERM) is before
