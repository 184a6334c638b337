"""The set of voters: its bytes, its changes, and which set was in force at which offset."""

import contextlib
from random import Random
from uuid import UUID

import pytest

from data_plane.raft.voters import (
    ChangeRefused,
    Voter,
    VoterHistory,
    VoterKey,
    VoterSet,
    decode_voters,
    encode_voters,
    voters_in,
)


def voter(number: int, directory: int = 0) -> Voter:
    return Voter(VoterKey(number, UUID(int=directory + number)), f"unix:/q{number}")


def voters(*numbers: int) -> VoterSet:
    return VoterSet(tuple(map(voter, numbers)))


def test_bytes_and_back() -> None:
    for some in (VoterSet(), voters(0), voters(0, 1, 2)):
        assert decode_voters(encode_voters(some)) == some


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_raise_nothing_but_value_error(seed: int) -> None:
    rng = Random(seed)
    content = bytearray(encode_voters(voters(0, 1, 2)))
    with pytest.raises(ValueError, match=r"."):
        decode_voters(bytes(content[: rng.randrange(1, len(content))]))
    content[rng.randrange(len(content))] = rng.randrange(256)
    with contextlib.suppress(ValueError):
        decode_voters(bytes(content))


def test_majorities() -> None:
    assert [voters(*range(count)).majority for count in (1, 2, 3, 4, 5)] == [1, 2, 2, 3, 3]
    three = voters(0, 1, 2)
    assert three.is_majority({voter(0).key, voter(2).key})
    assert not three.is_majority({voter(0).key, voter(1, directory=50).key}), "another directory"


def test_changes_that_are_none_are_refused() -> None:
    with pytest.raises(ChangeRefused):
        voters(0, 1).with_voter(voter(1, directory=50))
    with pytest.raises(ChangeRefused):
        voters(0, 1).without(voter(1, directory=50).key)
    with pytest.raises(ChangeRefused):
        voters(0).without(voter(0).key)
    assert voters(0, 2).with_voter(voter(1)) == voters(0, 1, 2)


def test_a_set_is_in_force_from_its_entry_on_until_that_is_cut_off() -> None:
    history = VoterHistory(-1, voters(0))
    history.take(4, (b"record", encode_voters(voters(0, 1))))
    history.take(9, (encode_voters(voters(0, 1, 2)),))
    assert (history.current, history.changed_at) == (voters(0, 1, 2), 9)
    assert [len(history.at(offset)) for offset in (0, 4, 5, 8, 9, 20)] == [1, 1, 2, 2, 3, 3]
    history.truncate_from(9)
    assert history.current == voters(0, 1)
    history.truncate_from(5)
    assert history.current == voters(0)


def test_the_last_set_among_entries() -> None:
    assert voters_in((b"", b"record")) is None
    assert voters_in((encode_voters(voters(0)), encode_voters(voters(1)))) == voters(1)
