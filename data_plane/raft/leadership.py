"""What only a leader has: its peers' progress, what that commits, and until when it may speak."""

from collections.abc import Iterable

from data_plane.raft.memory_log import MemoryLog
from data_plane.raft.progress import Progress
from data_plane.raft.timing import Timing
from data_plane.raft.voters import VoterKey, VoterSet

Peers = dict[VoterKey, Progress]


class Leadership:
    """One term of one leader, from its election on.

    opening_offset: of the entry that opened the term; the leader decides nothing before it is
    committed, since only then it knows what is (Raft 5.4.2).
    """

    def __init__(self, me: VoterKey, log: MemoryLog, opening_offset: int, now_ms: int) -> None:
        self.opening_offset = opening_offset
        self.peers: Peers = {}
        self.heartbeat_due_ms = now_ms
        self.successor: VoterKey | None = None  # to whom leadership is being handed
        self.successor_until_ms = 0
        self.is_handed_over = False  # the successor was told
        self.has_lease = True  # until anybody was told to stand: that word may come late
        self._me = me
        self._log = log
        self._began_ms = now_ms

    def follow(self, voters: VoterSet, now_ms: int, timing: Timing) -> None:
        """Have a progress for each voter; forget observers that are silent."""
        for voter in voters:
            if voter.key != self._me and voter.key not in self.peers:
                self._add(voter.key, self._log.end_offset, now_ms)
        silent = [
            key
            for key, peer in self.peers.items()
            if key not in voters and now_ms - peer.heard_ms > timing.observer_ms_max
        ]
        for key in silent:
            del self.peers[key]

    def welcome(self, key: VoterKey, end_offset: int, address: str, now_ms: int) -> None:
        """An observer asks for the log, which it has up to `end_offset`, or a part of that."""
        peer = self.peers.get(key)
        if peer is None:
            peer = self._add(key, min(end_offset, self._log.end_offset), now_ms)
        else:
            peer.probe_from(min(end_offset, peer.next_offset))
        peer.address = address

    def _add(self, key: VoterKey, next_offset: int, now_ms: int) -> Progress:
        peer = self.peers[key] = Progress(key, next_offset, heard_ms=now_ms)
        return peer

    def committed_by(self, voters: VoterSet, own_offset: int) -> int:
        """The last offset that a majority has on disk; -1: none. We count only if we vote."""
        held = sorted((self._held(voter.key, own_offset) for voter in voters), reverse=True)
        return held[voters.majority - 1] if held else -1

    def _held(self, key: VoterKey, own_offset: int) -> int:
        if key == self._me:
            return own_offset
        peer = self.peers.get(key)
        return -1 if peer is None else peer.match_offset

    def majority_heard_ms(self, voters: VoterSet, now_ms: int) -> int:
        """When we sent what a majority has answered since; `now_ms` if we are one alone."""
        times = [now_ms if voter.key == self._me else self._heard_ms(voter.key) for voter in voters]
        return sorted(times, reverse=True)[voters.majority - 1]

    def _heard_ms(self, key: VoterKey) -> int:
        peer = self.peers.get(key)
        return self._began_ms if peer is None else peer.heard_ms

    def majority_answered_ms(self, voters: VoterSet, now_ms: int) -> int | None:
        """As `majority_heard_ms`; None if no majority has ever answered. A vote is no answer: it
        keeps nobody from choosing another leader at once.
        """
        times = []
        for voter in voters:
            if voter.key == self._me:
                times.append(now_ms)
            elif (peer := self.peers.get(voter.key)) and peer.answered_ms is not None:
                times.append(peer.answered_ms)
        times.sort(reverse=True)
        return times[voters.majority - 1] if len(times) >= voters.majority else None

    def wanted_from(self, now_ms: int, timing: Timing) -> int:
        """The first offset that somebody who still answers has not got."""
        wanted = (
            peer.match_offset + 1
            for peer in self.peers.values()
            if now_ms - peer.heard_ms < timing.observer_ms_max
        )
        return min(wanted, default=self._log.end_offset)

    def best_successor(
        self, voters: Iterable[VoterKey], now_ms: int, timing: Timing
    ) -> VoterKey | None:
        """The voter that has most of the log, of those that answer."""
        known = [
            self.peers[key]
            for key in voters
            if key in self.peers and now_ms - self.peers[key].heard_ms < timing.election_ms_min
        ]
        return max(known, key=lambda peer: peer.match_offset).key if known else None
