"""How clients reach the brokers: directly, by relays, or by relays in network namespaces.

In a namespace of its own a broker still listens on loopback only, as plaintext asks; its relay
listens on the namespace's address and passes everything on. Cuts are blackhole routes, so packets
vanish and nobody is told, unlike a kill on loopback, which closes every connection at once.
"""

import json
import os
import shutil
import subprocess
import sys
from typing import Protocol

from tests.chaos import leftovers
from tests.chaos.leftovers import run as command
from tests.integration.data_plane.broker_process import ROOT, free_port, read_line

READY_SECONDS_MAX = 60.0
SUBNETS = range(1, 250)


class Refused(Exception):
    """The machine does not let us; the text says what."""


class Network(Protocol):
    """What a rig asks of it. Brokers are numbered from 0."""

    def prefix(self, index: int) -> tuple[str, ...]:
        """Words that start a broker's program at its place."""

    def advertised(self, index: int) -> tuple[str, int] | None: ...

    def peer_hosts(self) -> list[str]:
        """Where brokers listen for each other by TLS; empty: they have Unix sockets."""

    def start(self, ports: list[int]) -> None:
        """Begin to pass on to the brokers' own ports."""

    def heal(self) -> None: ...

    def close(self) -> None: ...


class Direct:
    """Loopback, nothing between."""

    def prefix(self, index: int) -> tuple[str, ...]:
        return ()

    def advertised(self, index: int) -> tuple[str, int] | None:
        return None

    def peer_hosts(self) -> list[str]:
        return []

    def start(self, ports: list[int]) -> None:
        """Nothing to start."""

    def heal(self) -> None:
        """Nothing to heal."""

    def close(self) -> None:
        """Nothing to close."""


class Relays:
    """A relay process before each broker, on loopback."""

    def __init__(self, brokers: int) -> None:
        self.places = [("127.0.0.1", free_port()) for _ in range(brokers)]
        self._processes: list[subprocess.Popen[str]] = []
        self.late_bytes = 0  # delivered after their connection had been cut

    def prefix(self, index: int) -> tuple[str, ...]:
        return ()

    def advertised(self, index: int) -> tuple[str, int] | None:
        return self.places[index]

    def peer_hosts(self) -> list[str]:
        return []

    def start(self, ports: list[int]) -> None:
        for index, ((host, port), to_port) in enumerate(zip(self.places, ports, strict=True)):
            words = [*self.prefix(index), sys.executable, "-m", "tests.chaos.relay"]
            process = subprocess.Popen(
                [*words, host, str(port), str(to_port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                process_group=0,  # Ctrl-C is for the run, which ends its processes itself.
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            self._processes.append(process)
            assert read_line(process, READY_SECONDS_MAX) == "ready\n", "the relay did not start"

    def tell(self, index: int, **order: object) -> int:
        """Give a relay an order; returns the bytes it then holds back, or has just released."""
        process = self._processes[index]
        assert process.stdin is not None, "it was started with pipes"
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        done, _, count = read_line(process, READY_SECONDS_MAX).partition(" ")
        assert done == "done", "the relay is gone"
        if order.get("hold") is False:
            self.late_bytes += int(count)
        return int(count)

    def heal(self) -> None:
        for index in range(len(self._processes)):
            self.tell(index, delay_ms=0, hold=False)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()
        self._processes.clear()


class Namespaces(Relays):
    """Each broker and its relay in a namespace of its own, on one bridge with the clients."""

    def __init__(self, brokers: int) -> None:
        """Raises Refused where namespaces cannot be made."""
        super().__init__(brokers)
        leftovers.clear()
        self._names: list[str] = []
        self._bridge = ""
        self._blocked: list[tuple[str, ...]] = []  # what takes each cut back
        try:
            self._make(brokers)
        except (OSError, subprocess.CalledProcessError) as error:
            self.close()
            raise Refused("needs the right to make network namespaces") from error

    def _make(self, brokers: int) -> None:
        self._bridge = f"{leftovers.LINK_PREFIX}{os.getpid()}b"
        command("ip", "link", "add", self._bridge, "type", "bridge")
        self._subnet = free_subnet()
        self._host = f"{self._subnet}.1"
        command("ip", "address", "add", f"{self._host}/24", "dev", self._bridge)
        command("ip", "link", "set", self._bridge, "up")
        for index in range(brokers):
            name = leftovers.new_name()
            command("ip", "netns", "add", name)
            self._names.append(name)
            link = f"{leftovers.LINK_PREFIX}{os.getpid()}n{index}"
            address = f"{self._subnet}.{10 + index}"
            peer = ("peer", "name", "eth0", "netns", name)
            command("ip", "link", "add", link, "type", "veth", *peer)
            command("ip", "link", "set", link, "master", self._bridge, "up")
            command("ip", "-n", name, "link", "set", "lo", "up")
            command("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            command("ip", "-n", name, "link", "set", "eth0", "up")
            self.places[index] = (address, self.places[index][1])

    def prefix(self, index: int) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self._names[index])

    def peer_hosts(self) -> list[str]:
        return [host for host, _ in self.places]

    def cut(self, index: int, *, to_broker: bool, from_broker: bool) -> None:
        """Let packets between the clients and a broker vanish, in one direction or both."""
        if to_broker:
            self._block((), self.places[index][0])
        if from_broker:
            self._block(("-n", self._names[index]), self._host)

    def cut_between(self, index: int, other: int) -> None:
        """Let packets from one broker to another vanish; the way back stays."""
        self._block(("-n", self._names[index]), self.places[other][0])

    def _block(self, where: tuple[str, ...], address: str) -> None:
        command("ip", *where, "route", "add", "blackhole", f"{address}/32")
        self._blocked.append(("ip", *where, "route", "delete", "blackhole", f"{address}/32"))

    def lose_packets(self, share: float) -> None:
        """Let a share of what reaches each broker vanish, at random."""
        rule = f"iifname eth0 numgen random mod 100 < {round(100 * share)} counter drop"
        chain = f"chain input {{ type filter hook input priority 0; {rule}; }}"
        table = f"table inet loss {{ {chain}; }}"
        for name in self._names:
            command("ip", "netns", "exec", name, "nft", table)
            self._blocked.append(("ip", "netns", "exec", name, "nft", "delete table inet loss"))

    def heal(self) -> None:
        while self._blocked:
            command(*self._blocked.pop())
        super().heal()

    def close(self) -> None:
        """Remove it all, however far it came."""
        super().close()
        for words in self._blocked:
            subprocess.run(words, check=False, capture_output=True)
        for name in self._names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
        if self._bridge:
            gone = ["ip", "link", "delete", self._bridge]
            subprocess.run(gone, check=False, capture_output=True)
        self._names.clear()


def free_subnet() -> str:
    """The first three numbers of a /24 that no route here leads to."""
    taken = subprocess.run(
        ["ip", "route"], check=True, capture_output=True, text=True
    ).stdout.split()
    first = os.getpid() % len(SUBNETS)
    for number in (*SUBNETS[first:], *SUBNETS[:first]):
        subnet = f"10.213.{number}"
        if f"{subnet}.0/24" not in taken:
            return subnet
    raise Refused("needs a free subnet")


def can_lose_packets() -> bool:
    """Say whether there is the program that drops some packets and passes others."""
    return shutil.which("nft") is not None


def can_make_namespaces() -> bool:
    """Say whether a run may use them, by making one."""
    name = leftovers.new_name()
    try:
        command("ip", "netns", "add", name)
        command("ip", "netns", "delete", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
