"""Relays deliver late what they held back; names of dead runs are cleared away."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from queue import Queue

import pytest

from tests.chaos import leftovers
from tests.chaos.networks import (
    Namespaces,
    Refused,
    Relays,
    can_lose_packets,
    can_make_namespaces,
)
from tests.conftest import wait_for

SECONDS_MAX = 60.0


@pytest.fixture
def arrivals() -> Iterator[tuple[int, "Queue[bytes]"]]:
    """A server's port, and what arrives on any of its connections, in the order of arrival."""
    queue: Queue[bytes] = Queue()
    server = socket.create_server(("127.0.0.1", 0))
    threads = []

    def read(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(100):
                queue.put(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=read, args=(connection,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    yield server.getsockname()[1], queue
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    accepting.join(SECONDS_MAX)
    for thread in threads:
        thread.join(SECONDS_MAX)


def test_a_held_request_arrives_after_its_repetition(
    arrivals: tuple[int, "Queue[bytes]"],
) -> None:
    port, arrived = arrivals
    relays = Relays(1)
    try:
        relays.start([port])
        with socket.create_connection(relays.places[0], timeout=SECONDS_MAX) as old:
            old.sendall(b"first")
            assert arrived.get(timeout=SECONDS_MAX) == b"first"
            relays.tell(0, hold=True)
            old.sendall(b"held")
            wait_for(lambda: relays.tell(0) == len(b"held"), "the relay to have read it")
            relays.tell(0, cut=True)
            assert old.recv(1) == b"", "the old connection is cut"
        with socket.create_connection(relays.places[0], timeout=SECONDS_MAX) as new:
            new.sendall(b"repeated")
            assert arrived.get(timeout=SECONDS_MAX) == b"repeated"
            relays.tell(0, hold=False)
            assert arrived.get(timeout=SECONDS_MAX) == b"held"
            assert relays.late_bytes == len(b"held")
    finally:
        relays.close()


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_names_of_dead_runs_are_cleared_and_no_others() -> None:
    assert leftovers.owner_is_gone(f"{leftovers.PREFIX}{dead_pid()}-1")
    assert not leftovers.owner_is_gone(leftovers.new_name())
    assert not leftovers.owner_is_gone("somebody-elses")
    if not can_make_namespaces():
        return
    name = f"{leftovers.PREFIX}{dead_pid()}-1"
    leftovers.run("ip", "netns", "add", name)
    assert name in leftovers.clear()
    assert not os.path.exists(f"/run/netns/{name}")


def test_a_broker_of_a_killed_run_is_ended_by_the_next_one() -> None:
    """The owner in the name is dead; the program itself would go on for ever."""
    folder = f"{leftovers.PREFIX}{dead_pid()}-x"
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", folder])
    try:
        wait_for(lambda: f"process {orphan.pid}" in leftovers.end_orphans(), "the orphan's end")
        assert orphan.wait(SECONDS_MAX) < 0
    finally:
        orphan.kill()


def test_a_cut_stops_packets_and_a_heal_lets_them_pass() -> None:
    """Through a namespace; without the right to make one, the refusal is named."""
    if not can_make_namespaces():
        with pytest.raises(Refused, match="right"):
            Namespaces(1)
        return
    network = Namespaces(1)
    echo = subprocess.Popen(
        [*network.prefix(0), sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True
    )
    try:
        assert echo.stdout is not None
        network.start([int(echo.stdout.readline())])
        with socket.create_connection(network.places[0], timeout=SECONDS_MAX) as client:
            for to_broker, from_broker in ((True, False), (False, True), (True, True)):
                network.cut(0, to_broker=to_broker, from_broker=from_broker)
                client.settimeout(0.3)
                client.sendall(b"x")
                with pytest.raises(TimeoutError):
                    client.recv(1)
                network.heal()
                client.settimeout(SECONDS_MAX)
                assert client.recv(1) == b"x"
    finally:
        echo.kill()
        echo.communicate()
        network.close()


def test_lost_packets_come_again(arrivals: tuple[int, "Queue[bytes]"]) -> None:
    """TCP repeats what the rule dropped; the rule says how many packets that were."""
    if not (can_make_namespaces() and can_lose_packets()):
        return
    network = Namespaces(1)
    echo = subprocess.Popen(
        [*network.prefix(0), sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True
    )
    try:
        assert echo.stdout is not None
        network.start([int(echo.stdout.readline())])
        with socket.create_connection(network.places[0], timeout=SECONDS_MAX) as client:
            network.lose_packets(0.5)
            for _ in range(8):
                client.sendall(b"x")
                assert client.recv(1) == b"x"
            ruled = subprocess.run(
                [*network.prefix(0), "nft", "list", "ruleset"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            assert int(ruled.partition("packets ")[2].split()[0]) > 0, ruled
            network.heal()
    finally:
        echo.kill()
        echo.communicate()
        network.close()


ECHO = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
while data := connection.recv(100):
    connection.sendall(data)
"""
