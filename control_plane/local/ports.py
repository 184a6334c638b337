"""Loopback ports: picked free once, kept beside the data, picked anew when somebody took them."""

import json
import secrets
import socket
from pathlib import Path

from control_plane.local.data_directory import write_private

# Below the ephemeral range of Linux (32768) and of macOS (49152), above the agent's default range.
PICKED_PORTS = range(22_000, 32_000)
PICK_TRIES_MAX = 200


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a listener could bind host:port now (TIME_WAIT does not count as taken)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def pick_free(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago; the program that binds it may still lose a race.

    Not the kernel's choice: it takes from the range of outgoing connections, any of which may sit
    on the port by the time its program binds it. Raises OSError after PICK_TRIES_MAX.
    """
    for _ in range(PICK_TRIES_MAX):
        port = secrets.choice(PICKED_PORTS)
        if is_free(port, host):
            return port
    raise OSError(f"no free port found among {PICKED_PORTS[0]}-{PICKED_PORTS[-1]} on {host}")


def next_free(first: int, host: str = "127.0.0.1", tries_max: int = 50) -> int:
    """The first free port from `first` upwards. Raises OSError after tries_max."""
    for port in range(first, min(first + tries_max, 65536)):
        if is_free(port, host):
            return port
    raise OSError(f"no free port among {first}-{first + tries_max - 1} on {host}")


class KeptPorts:
    """Names to ports in a JSON file, so that a second start answers where the first did."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ports = _read(path)

    def get(self, name: str) -> int:
        """The kept port if it is still free, else a new one, kept from now on."""
        port = self._ports.get(name)
        if port is None or not is_free(port):
            port = pick_free()
        return self.keep(name, port)

    def keep(self, name: str, port: int) -> int:
        if self._ports.get(name) != port:
            self._ports[name] = port
            write_private(self._path, json.dumps(self._ports, indent=1))
        return port

    def peek(self, name: str) -> int | None:
        return self._ports.get(name)


def _read(path: Path) -> dict[str, int]:
    """The kept ports, none where the file is missing or damaged: they are then picked anew."""
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {name: port for name, port in value.items() if isinstance(port, int)}
