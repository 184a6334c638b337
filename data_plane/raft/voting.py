"""Elections: PreVote, votes, who may have one (Raft 5.2, 5.4.1; KIP-996)."""

from data_plane.raft.entries import NO_OP, HardState
from data_plane.raft.leadership import Leadership
from data_plane.raft.messages import VoteReply, VoteRequest
from data_plane.raft.state import NodeState, Role
from data_plane.raft.voters import VoterKey


class Voting(NodeState):
    """What a node does while nobody leads it."""

    def _ask_beforehand(self) -> None:
        """PreVote: nothing is promised and no term is begun before a majority would agree."""
        self.role, self._leader = Role.PRE_CANDIDATE, None
        self._granted = {self.me}
        self._wait_to_retry()
        self._ask_for_votes(self.term + 1, is_pre=True, is_transfer=False)
        self._announce()  # Perhaps this is no voter any more, and only a leader knows that.

    def campaign(self, *, is_transfer: bool = False) -> None:
        """Open a new term and vote for oneself, which elects an only voter."""
        if not self.is_voter:
            return
        self._stop_leading()
        self.role, self._leader = Role.CANDIDATE, None
        self._hard_state = HardState(self.term + 1, self.voter_id, self.me.directory_id)
        self._granted = {self.me}
        self._wait_to_retry()
        if self.voters.is_majority(self._granted):
            self._become_leader()
        else:
            self._ask_for_votes(self.term, is_pre=False, is_transfer=is_transfer)

    def _ask_for_votes(self, term: int, *, is_pre: bool, is_transfer: bool) -> None:
        last = self.log.last
        for key in self.voters.keys:
            if key != self.me:
                self._outbox.append(
                    VoteRequest(
                        cluster_id=self.cluster_id,
                        source=self.me,
                        target=key,
                        term=term,
                        is_pre=is_pre,
                        is_transfer=is_transfer,
                        last_offset=last.offset,
                        last_term=last.term,
                    )
                )

    def _on_vote_request(self, asked: VoteRequest) -> None:
        has_leader = self._leads is not None or self._is_leader_fresh(self.timing.election_ms_min)
        if has_leader and not asked.is_transfer:
            if asked.is_pre:
                self._reply_vote(asked, is_granted=False)
            return  # Its term is not taken over either: it would depose a leader that is well.
        if not asked.is_pre and asked.term > self.term:
            self._become_follower(asked.term, None)
        last = self.log.last
        is_current = (asked.last_term, asked.last_offset) >= (last.term, last.offset)
        if asked.is_pre:
            self._reply_vote(asked, is_granted=is_current and asked.term > self.term)
        elif asked.term < self.term or not is_current or not self._may_vote_for(asked.source):
            self._reply_vote(asked, is_granted=False)
        else:
            self._hard_state = HardState(self.term, asked.source.id, asked.source.directory_id)
            self._wait_for_leader()
            self._reply_vote(asked, is_granted=True)

    def _may_vote_for(self, candidate: VoterKey) -> bool:
        state = self._hard_state
        if state.voted_for is None:
            return self._leads is None
        return (state.voted_for, state.voted_directory) == candidate

    def _reply_vote(self, asked: VoteRequest, *, is_granted: bool) -> None:
        term = asked.term if asked.is_pre and is_granted else self.term
        self._outbox.append(
            VoteReply(
                cluster_id=self.cluster_id,
                source=self.me,
                target=asked.source,
                term=term,
                is_pre=asked.is_pre,
                is_granted=is_granted,
            )
        )

    def _on_vote_reply(self, reply: VoteReply) -> None:
        expected = (
            (Role.PRE_CANDIDATE, self.term + 1) if reply.is_pre else (Role.CANDIDATE, self.term)
        )
        if not reply.is_granted or (self.role, reply.term) != expected:
            return
        self._granted.add(reply.source)
        if not self.voters.is_majority(self._granted):
            return
        if reply.is_pre:
            self.campaign()
        else:
            self._become_leader()

    def _become_leader(self) -> None:
        self.role = Role.LEADER
        self._leads = Leadership(self.me, self.log, self.end_offset, self._now_ms)
        self._leads.follow(self.voters, self._now_ms, self.timing)
        self._append((NO_OP,))
