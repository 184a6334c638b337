"""Where one service keeps everything: its layout, modes and lock.

Root's default is world-traversable, because Postgres refuses to run as root and its unprivileged
account must reach its own folder; a normal user's default follows the XDG base directories.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

MARK = ".ottla"
MARK_TEXT = "A data directory of Ottla, layout 1.\n"


class DirectoryInUse(Exception):
    """Another `ottla up` holds the directory."""


class DirectoryForeign(Exception):
    """The directory is not ours to use: it holds other things, or another layout."""


def default_data_directory() -> Path:
    """/var/lib/ottla for root, $XDG_DATA_HOME/ottla (~/.local/share/ottla) for everyone else."""
    if os.geteuid() == 0:
        return Path("/var/lib/ottla")
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "ottla"


class DataDirectory:
    """The folders and small files of one service; made on first use, 0700 inside where possible."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.logs = self.root / "logs"
        self.run = self.root / "run"
        self.secrets = self.root / "secrets"
        self.postgres = self.root / "postgres"
        self.valkey = self.root / "valkey"
        self.agent = self.root / "agent"
        self.state_file = self.run / "state.json"
        self._lock_fd: int | None = None

    def claim(self) -> None:
        """Make the root ours: new, empty, or marked by an earlier run. Traversable (0711), because
        Postgres runs as another account.

        Raises DirectoryForeign before anything is touched: somebody's home, or /tmp, would get
        folders and a mode of ours.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        mark = self.root / MARK
        try:
            if mark.read_text() != MARK_TEXT:
                raise DirectoryForeign(f"{mark} is of another version of Ottla: use that version")
        except FileNotFoundError:
            # A new file system has its lost+found.
            if any(entry.name != "lost+found" for entry in self.root.iterdir()):
                raise DirectoryForeign(
                    f"{self.root} holds other things than Ottla's data: "
                    "choose a new or an empty directory as --data-dir"
                ) from None
            write_private(mark, MARK_TEXT)
        if self.root.stat().st_uid == os.geteuid():
            self.root.chmod(0o711)

    def create(self) -> None:
        """Make the folders. Raises DirectoryForeign."""
        self.claim()
        for folder in (self.logs, self.run, self.secrets, self.valkey, self.agent):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)

    def lock(self) -> None:
        """Take the directory for this process's life; flock leaves no stale state behind.

        Raises DirectoryInUse with the holder's process id where it is known.
        """
        fd = os.open(self.run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            holder = self.holder_pid()
            who = f"process {holder}" if holder else "another process"
            raise DirectoryInUse(
                f"{who} already runs Ottla on {self.root}; stop it with "
                f"`ottla down --data-dir {self.root}` or choose another --data-dir"
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._lock_fd = fd

    def holder_pid(self) -> int | None:
        """The process id written by the lock's last holder; says nothing about it being alive."""
        try:
            return int((self.run / "lock").read_text() or 0) or None
        except (OSError, ValueError):
            return None

    def is_locked(self) -> bool:
        """Whether a living process holds the directory."""
        try:
            fd = os.open(self.run / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """Read a secret, creating it once; 0600 from its first byte."""
        path = self.secrets / name
        if not path.exists():
            write_private(path, make())
        return path.read_text().strip()

    def read_json(self, path: Path) -> dict[str, Any]:
        """A small JSON file, {} where it does not exist or was cut short."""
        try:
            value = json.loads(path.read_text())
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}


def write_private(path: Path, text: str) -> None:
    """Write a 0600 file so that a reader sees the old text or the new, never a part."""
    fd, temporary = tempfile.mkstemp(dir=path.parent)  # mkstemp makes 0600
    try:
        with os.fdopen(fd, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
