"""Where `ottla login` keeps its token: one 0600 file under the XDG configuration folder."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Login:
    """A service and the token for it."""

    url: str
    token: str
    email: str = ""


def credentials_file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "ottla" / "credentials.json"


def load() -> Login | None:
    """The stored login, None where there is none."""
    try:
        return Login(**json.loads(credentials_file().read_text()))
    except (OSError, ValueError, TypeError):
        return None


def save(login: Login) -> Path:
    """Store a login, readable by its owner alone from the first byte; returns the file."""
    path = credentials_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(fd, "w") as file:
        json.dump(asdict(login), file, indent=1)
    Path(temporary).replace(path)
    return path


def forget() -> None:
    credentials_file().unlink(missing_ok=True)
