"""What a run has found so far, kept from client to client, so that one that ended can go on."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from tests.conformance.run import FAILED, Outcome
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

    def left_of(self, name: str, features: Sequence[str]) -> list[str]:
        """What is still to be run of one client: what it has not shown yet."""
        before = self.outcomes.get(name)
        if before is None or before.not_run:
            return list(features)
        return [each for each in features if before.features.get(each, FAILED) == FAILED]

    def keep(self, name: str, outcome: Outcome) -> None:
        """Take up an outcome; features that it leaves out stay as they were."""
        before = self.outcomes.get(name)
        if before is not None and not outcome.not_run:
            outcome = replace(
                outcome,
                features=before.features | outcome.features,
                reasons={
                    feature: why
                    for feature, why in before.reasons.items()
                    if feature not in outcome.features
                }
                | outcome.reasons,
                again=before.again | outcome.again,
                hit=before.hit | outcome.hit,
                kills=before.kills + outcome.kills,
            )
        self.outcomes[name] = outcome
        if self._is_partial:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        found = {each: asdict(one) for each, one in self.outcomes.items()}
        self._path.write_text(json.dumps(found, indent=1))
