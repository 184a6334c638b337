"""The unprivileged account that Postgres runs as when we are root, because it refuses root."""

import grp
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class NoAccount(Exception):
    """There is nobody to run Postgres as; the message names the way out."""


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid)

    def can_run(self, binary: Path) -> bool:
        """Whether the account reaches and executes `binary`: a folder on the way may be 0700."""
        try:
            done = subprocess.run(
                [str(binary), "--version"],
                start_new_session=True,  # Ctrl-C must not make it look unusable
                capture_output=True,
                timeout=20,
                cwd="/",
                check=False,
                **self.popen_arguments(),
            )
        except (PermissionError, FileNotFoundError):
            return False
        return done.returncode == 0


def unprivileged_account() -> Account | None:
    """None for a normal user, who runs Postgres as himself; for root `postgres`, else `nobody`.

    Raises NoAccount where our own uid has no name (containers with arbitrary uids), as initdb
    needs one.
    """
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            raise NoAccount(
                f"user id {os.geteuid()} has no name, which Postgres needs: "
                "set DATABASE_URL or run as a named user"
            ) from None
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
            grp.getgrgid(entry.pw_gid)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise NoAccount(
        "root needs an account `postgres` or `nobody` to run Postgres: set DATABASE_URL"
    )
