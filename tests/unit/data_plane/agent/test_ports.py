"""Ports are kept, stepped aside from before the first start, and shared by no two brokers."""

import socket
from pathlib import Path

import pytest

from data_plane.agent.ports import PortBook, PortTaken, kept_ports, mark_served
from data_plane.agent.storage import BrokerStorage
from tests.integration.agent.conftest import free_ports

HOST = "127.0.0.1"


def broker(tmp_path: Path, number: int = 0) -> BrokerStorage:
    return BrokerStorage(tmp_path / str(number), number)


def test_a_port_is_picked_and_kept(tmp_path: Path) -> None:
    book = PortBook(free_ports(), HOST)
    first = book.prepare(broker(tmp_path), 0).ports
    assert book.prepare(broker(tmp_path), 0).ports == first
    assert kept_ports(broker(tmp_path)) == first
    assert len({first.client, first.admin, first.metrics}) == 3


def test_brokers_never_share_a_port(tmp_path: Path) -> None:
    ports = free_ports()
    book = PortBook(ports, HOST)
    picked = [book.prepare(broker(tmp_path, number), 0).ports for number in range(5)]
    taken = {port for each in picked for port in (each.client, each.admin, each.metrics)}
    assert len(taken) == 15
    after_restart = PortBook(ports, HOST)
    after_restart.load([broker(tmp_path, number) for number in range(5)])
    sixth = after_restart.prepare(broker(tmp_path, 5), 0).ports
    assert not {sixth.client, sixth.admin, sixth.metrics} & taken


def test_a_taken_port_is_stepped_aside_with_a_note(tmp_path: Path) -> None:
    ports = free_ports()
    with socket.create_server((HOST, ports.first)):
        picked = PortBook(ports, HOST).prepare(broker(tmp_path), 0)
    assert picked.ports.client == ports.first + 1
    assert picked.note == (
        f"port {ports.first} is held by another process on this machine; broker 0 uses "
        f"{ports.first + 1}"
    )


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
    wanted, ports = free_ports(1).first, free_ports()
    book = PortBook(ports, HOST)
    with socket.create_server((HOST, wanted)), pytest.raises(PortTaken):
        book.prepare(broker(tmp_path), wanted)
    assert book.prepare(broker(tmp_path), wanted).ports.client == wanted


@pytest.mark.parametrize("count", [1, 2])
def test_a_full_range_is_said(tmp_path: Path, count: int) -> None:
    with pytest.raises(PortTaken, match="widen the agent's port range"):
        PortBook(free_ports(count), HOST).prepare(broker(tmp_path), 0)


def test_a_damaged_port_file_is_as_good_as_none(tmp_path: Path) -> None:
    storage = broker(tmp_path)
    storage.create()
    for damage in ("", "{}", "[]", '{"client": 1}', '{"x": 1}'):
        storage.ports.write_text(damage)
        assert kept_ports(storage) is None
