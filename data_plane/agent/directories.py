"""Directory ids: by them a cluster tells a broker whose data was lost from the one it knew.

Such a broker must not come back as the voter and the replica that it was: it has forgotten its
vote and what it had acknowledged. So the notes lie apart from the brokers' own directories:
<agent>/directories/<cluster id>-<broker id>.json with directory_id and was_formatted.
"""

from collections.abc import Callable
from pathlib import Path

from data_plane.agent.storage import read_json, write_json


class DirectoryNote:
    """The id of one broker's data directory, kept over the loss of the directory."""

    def __init__(self, path: Path, new_id: Callable[[], str]) -> None:
        self._path = path
        self._new_id = new_id
        noted = read_json(path) or {}
        self._directory_id = str(noted.get("directory_id", ""))
        self._was_formatted = bool(noted.get("was_formatted"))

    def current(self, first_id: str, found_id: str | None) -> str:
        """The id for the directory as it is now; `first_id` until one is lost.

        found_id: what the directory says; None: there is none, or nothing in it. It counts where
        nothing was noted yet: the broker was a cluster of its own before it got peers.
        """
        before = (self._directory_id, self._was_formatted)
        is_formatted = found_id is not None
        if self._was_formatted and not is_formatted:
            self._directory_id = self._new_id()
        self._was_formatted = is_formatted
        self._directory_id = self._directory_id or found_id or first_id
        if (self._directory_id, self._was_formatted) != before and is_formatted | before[1]:
            write_json(
                self._path,
                {"directory_id": self._directory_id, "was_formatted": self._was_formatted},
            )
        return self._directory_id

    def forget(self) -> None:
        """The broker is gone for good, and its data with it."""
        self._path.unlink(missing_ok=True)
        self._directory_id, self._was_formatted = "", False
