"""What the agent is told at its start: command line options, checked once."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

TOKEN_BYTES_MAX = 4096


class ConfigRefused(Exception):
    """The agent cannot be run like this; the message names the way out."""


@dataclass(frozen=True, slots=True)
class PortRange:
    """Client ports brokers of this node may use, both ends included."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> "PortRange":
        """Read `FIRST-LAST`. Raises ConfigRefused."""
        first, _, last = text.partition("-")
        if not (first.isdigit() and last.isdigit()):
            raise ConfigRefused(f"port range {text!r} should read FIRST-LAST, such as 20000-20999")
        if not 1024 <= int(first) <= int(last) <= 65535:
            raise ConfigRefused(f"port range {text!r} should lie between 1024 and 65535")
        return cls(int(first), int(last))

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last + 1))


@dataclass(frozen=True, slots=True)
class Limits:
    """Every waiting time and bound of the agent; tests shorten some of them."""

    report_interval_s: float = 2.0
    spec_wait_s: int = 25
    retry_s_max: float = 15.0  # between attempts while the control plane is gone
    ready_poll_s: float = 0.02  # a broker is asked this often until it serves
    sample_interval_s: float = 5.0
    admin_refresh_s: float = 30.0  # how often unasked drift is looked for (C8: 60 s)
    admin_retry_s_max: float = 10.0
    stop_s_max: float = 45.0  # then SIGKILL; 30 of them to hand over (durability.md 9)
    # A broker that served and answers nothing hangs after so many probes and so long.
    hung_probes_max: int = 5
    hung_s_max: float = 15.0
    hung_stop_s_max: float = 5.0  # of SIGTERM to a broker that hangs, then SIGKILL
    deaths_max: int = 5
    deaths_window_ms: int = 600_000
    start_delays_ms: tuple[int, ...] = (0, 250, 1000, 2500, 5000)
    log_bytes_max: int = 8 << 20  # of a broker's output; one older file is kept
    samples_max: int = 20_000  # kept while the control plane is gone
    samples_per_report_max: int = 1000


@dataclass(frozen=True, slots=True)
class AgentConfig:
    data_dir: Path
    control_plane_url: str
    name: str
    advertised_host: str
    ports: PortRange
    ca_file: Path | None = None  # None: the system's trust store
    token_file: Path | None = None
    ready_file: Path | None = None
    bind: str | None = None  # of client listeners; None: see bind_host
    rack: str | None = None
    status_port: int = 0  # loopback; 0: any free port, written to status.json
    stop_brokers_on_exit: bool = False
    limits: Limits = Limits()

    @property
    def bind_host(self) -> str:
        """Where client listeners bind: loopback stays loopback, any other name means all."""
        return self.bind or ("127.0.0.1" if is_loopback(self.advertised_host) else "0.0.0.0")  # noqa: S104 - TLS listeners are for other machines


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def checked_url(url: str) -> str:
    """Return the control plane's address without a trailing slash.

    Raises ConfigRefused: http is for loopback only, as reports and specs are not for every ear.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
        raise ConfigRefused(f"control plane address {url!r} should read https://HOST[:PORT]")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigRefused(f"control plane address {url!r}: http is for loopback only, use https")
    return url.rstrip("/")


def read_token(path: Path) -> str:
    """Read the one-time registration token. Raises ConfigRefused, never quoting the content."""
    try:
        status = path.stat()
        text = path.read_bytes()[:TOKEN_BYTES_MAX].decode().strip()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not text"
        raise ConfigRefused(f"token file {path} cannot be read: {reason}") from None
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigRefused(f"token file {path} is readable by others: chmod 600 {path}")
    if not text:
        raise ConfigRefused(f"token file {path} is empty")
    return text
