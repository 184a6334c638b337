"""What a run has found so far, kept from client to client, so that one that ended can go on."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.conformance.run import Outcome
from tests.conformance.toolchains.building import BUILD

FOLDER: Final = BUILD / "outcomes"


class Kept:
    """Outcomes by module name, in a file for each kind of run, below build/conformance.

    is_partial: of some features only; such outcomes go into no file.
    """

    def __init__(
        self,
        title: str,
        *,
        is_resumed: bool,
        is_partial: bool = False,
        folder: Path = FOLDER,
    ) -> None:
        self._is_partial = is_partial
        self._path = folder / f"{title.lower().replace(' ', '-').replace(',', '')}.json"
        self.outcomes: dict[str, Outcome] = {}
        if is_resumed and not is_partial and self._path.exists():
            found = json.loads(self._path.read_text())
            self.outcomes = {name: Outcome(**fields) for name, fields in found.items()}

    def keep(self, name: str, outcome: Outcome) -> None:
        self.outcomes[name] = outcome
        if self._is_partial:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        found = {each: asdict(one) for each, one in self.outcomes.items()}
        self._path.write_text(json.dumps(found, indent=1))
