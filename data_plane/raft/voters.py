"""Who votes: a set in the log, changed by one voter at a time, in force as soon as appended.

A voter is a broker id with the id of its data directory (KIP-853): the same id with another
directory has forgotten what it promised, so it is another voter.

The entry: 0xFF, a version byte 0, voter count uint16, then per voter id int32, directory id in 16
bytes, and its address as uint16 length and UTF-8; big-endian.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from data_plane.raft.entries import CONTROL_MARK, NO_DIRECTORY

_HEAD = struct.Struct(">BBH")
_VOTER = struct.Struct(">i16sH")
_VERSION: Final = 0


class VoterKey(NamedTuple):
    """Tells one voter or observer from every other, for ever."""

    id: int
    directory_id: UUID = NO_DIRECTORY


class Voter(NamedTuple):
    """address: where its quorum listener is, `unix:PATH` or `HOST:PORT`; empty: not known."""

    key: VoterKey
    address: str = ""


class ChangeRefused(Exception):
    """The change is none, or another one is under way."""


@dataclass(frozen=True, slots=True)
class VoterSet:
    """An odd number most of the time; a majority of it decides."""

    voters: tuple[Voter, ...] = ()

    def __iter__(self) -> Iterator[Voter]:
        return iter(self.voters)

    def __len__(self) -> int:
        return len(self.voters)

    def __contains__(self, key: object) -> bool:
        return any(voter.key == key for voter in self.voters)

    @property
    def keys(self) -> list[VoterKey]:
        return [voter.key for voter in self.voters]

    @property
    def majority(self) -> int:
        return len(self.voters) // 2 + 1

    def by_id(self, voter_id: int) -> Voter | None:
        return next((voter for voter in self.voters if voter.key.id == voter_id), None)

    def is_majority(self, keys: set[VoterKey]) -> bool:
        return sum(voter.key in keys for voter in self.voters) >= self.majority

    def with_voter(self, new: Voter) -> "VoterSet":
        """Add a voter. Raises ChangeRefused if its id is there already."""
        if self.by_id(new.key.id) is not None:
            raise ChangeRefused(f"voter {new.key.id} is there already")
        return VoterSet(tuple(sorted((*self.voters, new))))

    def without(self, key: VoterKey) -> "VoterSet":
        """Remove a voter. Raises ChangeRefused if it is not there, or the last one."""
        if key not in self:
            raise ChangeRefused(f"voter {key.id} is not there")
        if len(self) == 1:
            raise ChangeRefused("the last voter cannot go")
        return VoterSet(tuple(voter for voter in self.voters if voter.key != key))


def encode_voters(voters: VoterSet) -> bytes:
    parts = [_HEAD.pack(CONTROL_MARK, _VERSION, len(voters))]
    for voter in voters:
        address = voter.address.encode()
        parts += (_VOTER.pack(voter.key.id, voter.key.directory_id.bytes, len(address)), address)
    return b"".join(parts)


def voters_in(entries: Sequence[bytes]) -> VoterSet | None:
    """The last voter set among entries, None if there is none. Raises ValueError for bad bytes."""
    for entry in reversed(entries):
        if entry and entry[0] == CONTROL_MARK:
            return decode_voters(entry)
    return None


def decode_voters(entry: bytes) -> VoterSet:
    """Raises ValueError for anything but a whole voter set of a known version."""
    try:
        mark, version, count = _HEAD.unpack_from(entry)
        if (mark, version) != (CONTROL_MARK, _VERSION):
            raise ValueError(f"control entry of version {version}")
        at, voters = _HEAD.size, []
        for _ in range(count):
            voter_id, directory_id, size_bytes = _VOTER.unpack_from(entry, at)
            at += _VOTER.size
            address = entry[at : at + size_bytes].decode()
            at += size_bytes
            voters.append(Voter(VoterKey(voter_id, UUID(bytes=directory_id)), address))
    except (struct.error, IndexError) as error:
        raise ValueError("voter set is cut off") from error
    if at != len(entry):
        raise ValueError("voter set has another length")
    return VoterSet(tuple(voters))


class VoterHistory:
    """The voter sets that the log holds, by the offset of their entry; the last one is in force."""

    def __init__(self, offset: int, voters: VoterSet) -> None:
        """offset: of the snapshot that says so, or -1."""
        self._sets: list[tuple[int, VoterSet]] = [(offset, voters)]

    @property
    def current(self) -> VoterSet:
        return self._sets[-1][1]

    @property
    def changed_at(self) -> int:
        """Offset of the entry that holds the current set."""
        return self._sets[-1][0]

    def at(self, offset: int) -> VoterSet:
        """The set in force when everything up to `offset` was the log."""
        return next((voters for at, voters in reversed(self._sets) if at <= offset), VoterSet())

    def take(self, base_offset: int, entries: Sequence[bytes]) -> None:
        """Look for voter sets in a batch that was appended."""
        for at, entry in enumerate(entries, base_offset):
            if entry and entry[0] == CONTROL_MARK:
                self._sets.append((at, decode_voters(entry)))

    def truncate_from(self, offset: int) -> None:
        """Entries from `offset` on are gone, and the changes they held with them."""
        while len(self._sets) > 1 and self._sets[-1][0] >= offset:
            self._sets.pop()

    def forget_before(self, offset: int) -> None:
        """What the sets were before `offset` is not asked for any more."""
        while len(self._sets) > 1 and self._sets[1][0] <= offset:
            self._sets.pop(0)
