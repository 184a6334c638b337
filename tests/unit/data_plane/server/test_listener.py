"""Listeners: who may be served without TLS, who is told what."""

import asyncio
import socket

import pytest

from data_plane.broker.config import Limits, ListenerConfig
from data_plane.server.listener import Connections, Listener, ListenerRefused, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "", "1270.0.0.1"])
def test_everything_else_is_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1"])
def test_plaintext_off_loopback_is_refused_without_binding(host: str) -> None:
    with pytest.raises(ListenerRefused, match="plaintext is served on loopback only"):
        Listener(ListenerConfig("OPEN", host))


def test_clients_are_told_the_bound_port_unless_another_is_named() -> None:
    listener = Listener(ListenerConfig("A", "127.0.0.1"))
    mapped = Listener(ListenerConfig("B", "127.0.0.1", 0, "broker.example", 443))
    try:
        told = listener.advertised
        assert (told.name, told.host, told.port) == ("A", "127.0.0.1", listener.port)
        assert told.port > 0
        assert (mapped.advertised.host, mapped.advertised.port) == ("broker.example", 443)
    finally:
        listener.close()
        mapped.close()


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenerRefused, match=f"port {port} on 127.0.0.1 is taken"):
            Listener(ListenerConfig("A", "127.0.0.1", port))


def test_connections_are_counted_against_a_limit() -> None:
    """Those in their handshake count: a flood of them must not pass the limit together."""
    loop = asyncio.new_event_loop()
    try:
        connections = Connections(Limits(connections_max=2), loop)
    finally:
        loop.close()
    first, second, third = (object() for _ in range(3))
    assert connections.reserve()
    assert connections.add(first)  # type: ignore[arg-type]  # made up by the test
    assert not connections.reserve(), "one is open and one on its way"
    connections.release()
    assert connections.add(second)  # type: ignore[arg-type]  # made up by the test
    assert not connections.add(third)  # type: ignore[arg-type]  # made up by the test
    connections.remove(first)  # type: ignore[arg-type]  # made up by the test
    assert connections.add(third)  # type: ignore[arg-type]  # made up by the test
    assert len(connections) == 2
