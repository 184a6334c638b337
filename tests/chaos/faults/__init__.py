"""The faults of the nemesis, one a file; `LIVE` names those that a run draws from."""

from tests.chaos.faults.base import Fault
from tests.chaos.faults.clock import ClockJump
from tests.chaos.faults.cuts import Bridge, Cut, Deaf, Island, Isolated, Loss, Mute, Ring
from tests.chaos.faults.kill import CoordinatorKill, Kill
from tests.chaos.faults.leader import LeaderKill, LeaderPause, Roll
from tests.chaos.faults.moves import Move
from tests.chaos.faults.network import Delay, StaleConnection
from tests.chaos.faults.pause import Pause
from tests.chaos.faults.power import PowerLoss
from tests.chaos.faults.rot import Rot

LIVE: dict[str, type[Fault]] = {
    "kill": Kill,
    "coordinator-kill": CoordinatorKill,
    "pause": Pause,
    "power-loss": PowerLoss,
    "clock": ClockJump,
    "cut": Cut,
    "isolated": Isolated,
    "mute": Mute,
    "deaf": Deaf,
    "bridge": Bridge,
    "ring": Ring,
    "island": Island,
    "loss": Loss,
    "delay": Delay,
    "stale": StaleConnection,
    "leader-kill": LeaderKill,
    "leader-pause": LeaderPause,
    "roll": Roll,
    "rot": Rot,
    "move": Move,
}

__all__ = ["LIVE", "Fault"]
