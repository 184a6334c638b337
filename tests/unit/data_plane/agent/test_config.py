"""What the agent is told is checked before anything starts."""

from pathlib import Path

import pytest

from data_plane.agent.config import (
    AgentConfig,
    ConfigRefused,
    PortRange,
    checked_url,
    is_loopback,
    read_token,
)


def test_a_port_range_holds_both_ends() -> None:
    assert list(PortRange.parse("20000-20002")) == [20000, 20001, 20002]


@pytest.mark.parametrize(
    "text", ["", "20000", "20001-20000", "80-90", "20000-70000", "a-b", "-1-5"]
)
def test_a_wrong_port_range_is_refused(text: str) -> None:
    with pytest.raises(ConfigRefused, match="port range"):
        PortRange.parse(text)


@pytest.mark.parametrize(
    "url", ["https://ottla.example", "http://127.0.0.1:8000", "http://localhost", "http://[::1]:1"]
)
def test_an_address_is_taken(url: str) -> None:
    assert checked_url(url + "/") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://ottla.example",
        "http://127.0.0.1.ottla.example",
        "ftp://127.0.0.1",
        "127.0.0.1:8000",
        "https://name:word@ottla.example",
        "https://ottla.example?x=1",
        "",
    ],
)
def test_an_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigRefused):
        checked_url(url)


def test_a_token_is_read_from_a_private_file_only(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with pytest.raises(ConfigRefused, match="cannot be read"):
        read_token(file)
    file.write_text("secret-word\n")
    file.chmod(0o640)
    with pytest.raises(ConfigRefused, match="chmod 600") as refused:
        read_token(file)
    assert "secret-word" not in str(refused.value)
    file.chmod(0o600)
    assert read_token(file) == "secret-word"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigRefused, match="not text"):
        read_token(file)
    file.write_text(" \n")
    with pytest.raises(ConfigRefused, match="is empty"):
        read_token(file)


def config(advertised_host: str, bind: str | None = None) -> AgentConfig:
    ports = PortRange(20000, 20001)
    return AgentConfig(Path("d"), "http://127.0.0.1", "n", advertised_host, ports, bind=bind)


def test_loopback_names_bind_loopback() -> None:
    assert config("127.0.0.1").bind_host == "127.0.0.1"
    assert config("localhost").bind_host == "127.0.0.1"
    assert config("kafka.example").bind_host == "0.0.0.0"
    assert config("kafka.example", bind="10.0.0.1").bind_host == "10.0.0.1"
    assert not is_loopback("10.0.0.1")
