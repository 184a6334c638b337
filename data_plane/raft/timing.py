"""How long a voter waits for what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds on a clock that only moves on.

    A leader's lease ends before any follower may have stopped waiting for it, though the clock of
    one of them be wrong by half: a third of `election_ms_min` is to spare. And it steps down when
    no majority has answered anything that it sent since `check_quorum_ms`.
    """

    heartbeat_ms: int = 150
    election_ms_min: int = 1_000  # a follower waits so long at least, a random part more
    election_ms_max: int = 2_000
    retry_ms_min: int = 150  # between one's own attempts, which cost nobody anything (PreVote)
    retry_ms_max: int = 450
    lease_ms: int = 600
    check_quorum_ms: int = 1_500
    announce_ms: int = 300
    observer_ms_max: int = 30_000  # an observer that is silent for so long is forgotten
    chunk_ms_max: int = 1_000  # after which a part of a snapshot is sent again
