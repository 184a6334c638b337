"""What a leader can tell of its quorum, for DescribeQuorum and for who changes the voters."""

from typing import NamedTuple

from data_plane.raft.node import NotLeader, RaftNode
from data_plane.raft.voters import VoterKey


class ReplicaView(NamedTuple):
    """end_offset: of what it has on disk. heard_ms, caught_up_ms: how long ago; -1: never."""

    key: VoterKey
    end_offset: int
    heard_ms: int
    caught_up_ms: int
    address: str


class QuorumView(NamedTuple):
    leader_id: int
    term: int
    high_watermark: int  # offset behind the last committed entry
    voters: tuple[ReplicaView, ...]
    observers: tuple[ReplicaView, ...]


def view_of(node: RaftNode) -> QuorumView:
    """As of the last message or tick. Raises NotLeader."""
    leads = node.leads
    if leads is None or not node.is_leader:
        raise NotLeader
    now_ms = node.now_ms
    replicas = {node.me: ReplicaView(node.me, node.end_offset, 0, 0, node.address)}
    for key, peer in leads.peers.items():
        heard_ms = -1 if peer.answered_ms is None else now_ms - peer.answered_ms
        caught_up_ms = now_ms - peer.caught_up_ms if peer.caught_up_ms else -1
        replicas[key] = ReplicaView(
            key, peer.match_offset + 1, heard_ms, caught_up_ms, peer.address
        )
    return QuorumView(
        node.voter_id,
        node.term,
        node.committed_offset + 1,
        tuple(replicas[key] for key in node.voters.keys if key in replicas),
        tuple(one for key, one in sorted(replicas.items()) if key not in node.voters),
    )
