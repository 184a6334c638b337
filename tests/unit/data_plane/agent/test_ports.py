"""Ports are kept, stepped aside from before the first start, and shared by no two brokers."""

import socket
from pathlib import Path

import pytest

from data_plane.agent.config import PortRange
from data_plane.agent.ports import PortBook, PortTaken, kept_ports, mark_served
from data_plane.agent.storage import BrokerStorage
from tests.integration.agent.conftest import free_ports

HOST = "127.0.0.1"


def broker(tmp_path: Path, number: int = 0) -> BrokerStorage:
    return BrokerStorage(tmp_path / str(number), number)


def listening() -> socket.socket:
    return socket.create_server((HOST, 0))


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def test_a_port_is_picked_and_kept(tmp_path: Path) -> None:
    book = PortBook(free_ports(), HOST)
    first = book.prepare(broker(tmp_path), 0).ports
    assert book.prepare(broker(tmp_path), 0).ports == first
    assert kept_ports(broker(tmp_path)) == first
    assert len({first.client, first.admin, first.metrics}) == 3


def test_brokers_never_share_a_port(tmp_path: Path) -> None:
    ports = free_ports()
    book = PortBook(ports, HOST)
    picked = [book.prepare(broker(tmp_path, number), 0).ports.client for number in range(5)]
    assert len(set(picked)) == 5
    after_restart = PortBook(ports, HOST)
    after_restart.load([broker(tmp_path, number) for number in range(5)])
    assert after_restart.prepare(broker(tmp_path, 5), 0).ports.client not in picked


def test_a_taken_port_is_stepped_aside_with_a_note(tmp_path: Path) -> None:
    with listening() as other:
        taken = port_of(other)
        picked = PortBook(PortRange(taken, taken + 30), HOST).prepare(broker(tmp_path), 0)
    assert picked.ports.client != taken
    assert str(taken) in picked.note
    assert f"broker 0 uses {picked.ports.client}" in picked.note


def test_before_the_first_start_a_lost_port_is_replaced(tmp_path: Path) -> None:
    book = PortBook(free_ports(), HOST)
    lost = book.prepare(broker(tmp_path), 0).ports.client
    with socket.create_server((HOST, lost)):
        picked = book.prepare(broker(tmp_path), 0)
    assert picked.ports.client != lost
    assert str(lost) in picked.note


def test_after_the_first_start_a_port_is_kept_for_good(tmp_path: Path) -> None:
    book = PortBook(free_ports(), HOST)
    ports = mark_served(broker(tmp_path), book.prepare(broker(tmp_path), 0).ports)
    said = f"port {ports.client} of broker 0 is held"
    with socket.create_server((HOST, ports.client)), pytest.raises(PortTaken, match=said):
        book.prepare(broker(tmp_path), 0)
    assert book.prepare(broker(tmp_path), 0).ports == ports


def test_loopback_ports_are_replaced_at_any_time(tmp_path: Path) -> None:
    book = PortBook(free_ports(), HOST)
    ports = mark_served(broker(tmp_path), book.prepare(broker(tmp_path), 0).ports)
    with socket.create_server((HOST, ports.metrics)):
        again = book.prepare(broker(tmp_path), 0).ports
    assert again.metrics != ports.metrics
    assert (again.client, again.admin, again.has_served) == (ports.client, ports.admin, True)


def test_a_port_of_the_spec_is_not_replaced(tmp_path: Path) -> None:
    book = PortBook(free_ports(), HOST)
    with listening() as other:
        wanted = port_of(other)
        with pytest.raises(PortTaken):
            book.prepare(broker(tmp_path), wanted)
    assert book.prepare(broker(tmp_path), wanted).ports.client == wanted


def test_a_full_range_is_said(tmp_path: Path) -> None:
    with listening() as other, pytest.raises(PortTaken, match="widen the agent's port range"):
        PortBook(PortRange(port_of(other), port_of(other)), HOST).prepare(broker(tmp_path), 0)


def test_a_damaged_port_file_is_as_good_as_none(tmp_path: Path) -> None:
    storage = broker(tmp_path)
    storage.create()
    for damage in ("", "{}", "[]", '{"client": 1}', '{"x": 1}'):
        storage.ports.write_text(damage)
        assert kept_ports(storage) is None
