"""Messages as bytes: each kind comes back as it was; hostile bytes are refused, not believed."""

import contextlib
from random import Random
from typing import Any
from uuid import UUID

import pytest

from data_plane.raft.codec import TYPES, BadMessage, decode_message, encode_message
from data_plane.raft.entries import EntryBatch
from data_plane.raft.messages import (
    SEEDS,
    Announce,
    Answer,
    Append,
    AppendReply,
    Ask,
    LeaderHint,
    Message,
    SnapshotChunk,
    SnapshotReply,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from data_plane.raft.voters import VoterKey

ME, YOU = VoterKey(1, UUID(int=7)), VoterKey(2, UUID(int=8))
TO: dict[str, Any] = {"cluster_id": "c", "source": ME, "target": YOU, "term": 5}
BATCHES = (EntryBatch(3, 4, (b"", b"\xff")), EntryBatch(5, 5, (b"x" * 300,)))

EXAMPLES: list[Message] = [
    VoteRequest(**TO, is_pre=True, is_transfer=False, last_offset=-1, last_term=0),
    VoteReply(**TO, is_pre=False, is_granted=True),
    Append(**TO, prev_offset=2, prev_term=4, commit=1, sent_ms=1 << 40, batches=BATCHES),
    AppendReply(
        **TO, is_match=False, prev_offset=9, match_offset=-1, hint_offset=3, hint_term=2, sent_ms=1
    ),
    SnapshotChunk(
        **TO, last_offset=9, last_term=1, size_bytes=3, position=0, sent_ms=1, data=b"abc"
    ),
    SnapshotReply(**TO, last_offset=9, position=3, sent_ms=1),
    TimeoutNow(**TO),
    Announce(**{**TO, "target": SEEDS}, end_offset=4, address="unix:/ä"),
    LeaderHint(**TO, leader=ME, address="host:1"),
    Ask(**TO, request_id=1, body=b"body"),
    Answer(**TO, request_id=1, is_refused=True, body=b""),
]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda one: type(one).__name__)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


def test_every_kind_has_an_example() -> None:
    assert {type(one) for one in EXAMPLES} == set(TYPES)


@pytest.mark.parametrize("seed", range(100))
def test_damaged_bytes_are_refused_or_another_whole_message(seed: int) -> None:
    """Cut anywhere it is refused; with flipped bytes nothing but BadMessage comes out."""
    rng = Random(seed)
    content = bytearray(encode_message(rng.choice(EXAMPLES)))
    with pytest.raises(BadMessage):
        decode_message(bytes(content[: rng.randrange(len(content))]))
    with pytest.raises(BadMessage):
        decode_message(bytes(content) + b"\0")
    for _ in range(rng.randint(1, 4)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    with contextlib.suppress(BadMessage):
        decode_message(bytes(content))
