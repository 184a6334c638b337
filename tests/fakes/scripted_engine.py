"""The embedded engine's twin whose process is tests/fakes/broker_program.py."""

import sys
from collections.abc import Sequence

from data_plane.agent.engines.base import BrokerPlace
from data_plane.agent.engines.embedded import EmbeddedEngine


class ScriptedEngine(EmbeddedEngine):
    def argv(self, place: BrokerPlace) -> Sequence[str]:
        module = "tests.fakes.broker_program"
        return [sys.executable, "-m", module, "run", "--config", self.marker(place.storage)]
