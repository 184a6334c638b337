"""What a long run has done so far, so that it can be stopped and gone on with at any time.

A file of JSON lines, each with the code that was run. Other code makes other worlds of the same
seeds, so what other code has done is not known.
"""

import json
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tests.simulation.worlds import CLUSTER, QUORUM

ROOT = Path(__file__).parents[2]
CODE = ("data_plane", "tests/simulation")
# Of the simulation's files, those that look on: they change no world.
ONLOOKERS = ("test_", "plant", "bank", "runs", "progress", "journal", "workers", "shares", "shrink")
# And those that only the other kind of world is made of.
OF_THE_OTHERS = {
    CLUSTER: ("quorum_",),
    QUORUM: ("cluster_", "machine", "clients", "serving", "streams"),
}


@cache
def code_in_use(kind: str) -> str:
    """A hash of everything that a kind of world is made of."""
    digest = blake2b(digest_size=8)
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            is_of_world = not path.name.startswith((*ONLOOKERS, *OF_THE_OTHERS[kind]))
            if folder == "data_plane" or is_of_world:
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


class Journal:
    """Rows in the order in which they were added; a row that was cut off is left out."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in whole.split("\n") if line]
        path.write_text(f"{whole}\n" if whole else "")

    def of(self, code: str) -> list[dict[str, Any]]:
        """What was done with this code."""
        return [row for row in self.rows if row["code"] == code]

    def add(self, row: dict[str, Any]) -> None:
        """row: has the code under `code`."""
        self.rows.append(row)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
