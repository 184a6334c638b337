"""Metrics that cannot be served are told by their port, not as trouble with the data directory."""

import asyncio
import socket

import pytest

from data_plane.server.listener import ListenerRefused
from data_plane.server.metrics_endpoint import LOOPBACK, open_metrics


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenerRefused, match=f"port {port} on {LOOPBACK}, for metrics"):
            asyncio.run(open_metrics(port, {}))
