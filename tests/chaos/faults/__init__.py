"""The faults of the nemesis, one a file; `LIVE` names those that a run draws from."""

from tests.chaos.faults.base import Fault
from tests.chaos.faults.clock import ClockJump
from tests.chaos.faults.kill import Kill
from tests.chaos.faults.leader import LeaderKill, LeaderPause, Roll
from tests.chaos.faults.network import Cut, Delay, PeerCut, StaleConnection
from tests.chaos.faults.pause import Pause
from tests.chaos.faults.power import PowerLoss

LIVE: dict[str, type[Fault]] = {
    "kill": Kill,
    "pause": Pause,
    "power-loss": PowerLoss,
    "clock": ClockJump,
    "cut": Cut,
    "peer-cut": PeerCut,
    "delay": Delay,
    "stale": StaleConnection,
    "leader-kill": LeaderKill,
    "leader-pause": LeaderPause,
    "roll": Roll,
}

__all__ = ["LIVE", "Fault"]
