"""What the program says when it serves: scripts read HOST:PORT from it."""

import pytest

from data_plane.server.main import announce


@pytest.mark.parametrize(
    ("host", "line"),
    [("127.0.0.1", "ready 127.0.0.1:9092"), ("::1", "ready [::1]:9092")],
)
def test_the_ready_line_names_an_address_to_connect_to(
    host: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    announce(host, 9092)
    assert capsys.readouterr().out.splitlines() == [line]
