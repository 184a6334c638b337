"""Which epoch wrote what, and what a follower or consumer is told about its end."""

import pytest

from data_plane.log.leader_epochs import EpochEnd, LeaderEpochs, decode_leader_epochs

KAFKAS = b"0\n2\n1 0\n3 9\n"
OURS = b"1\n2\n1 0\n3 9\nf65b865d\n"


def epochs_of(*entries: tuple[int, int]) -> LeaderEpochs:
    epochs = LeaderEpochs()
    for epoch, start in entries:
        epochs.assign(epoch, start)
    return epochs


@pytest.mark.semantics("34a")
def test_only_the_first_record_of_an_epoch_is_noted() -> None:
    epochs = epochs_of((1, 0), (1, 5), (3, 9), (2, 12))
    assert epochs.entries == [(1, 0), (3, 9)]
    assert epochs.latest == 3


@pytest.mark.semantics("33a")
@pytest.mark.parametrize(
    ("asked", "end"),
    [(-5, (-1, -1)), (-1, (-1, -1)), (0, (0, 0)), (1, (1, 9)), (2, (1, 9)), (3, (3, 20)),
     (4, (4, 30)), (5, (-1, -1))],
)  # fmt: skip
def test_the_end_of_an_epoch(asked: int, end: tuple[int, int]) -> None:
    epochs = epochs_of((1, 0), (3, 9), (4, 20))
    assert epochs.end_of(asked, log_end_offset=30) == EpochEnd(*end)


@pytest.mark.semantics("33b")
def test_an_empty_cache_knows_nothing() -> None:
    for asked in (-5, -1, 0):
        assert epochs_of().end_of(asked, log_end_offset=0) == EpochEnd(-1, -1)
    assert epochs_of().epoch_at(0) == -1


@pytest.mark.semantics("34b")
@pytest.mark.parametrize(
    ("offset", "left"),
    [(0, []), (9, [(1, 0)]), (10, [(1, 0), (3, 9)]), (99, [(1, 0), (3, 9), (4, 20)])],
)
def test_truncating_the_end(offset: int, left: list[tuple[int, int]]) -> None:
    epochs = epochs_of((1, 0), (3, 9), (4, 20))
    epochs.truncate_end(offset)
    assert epochs.entries == left


@pytest.mark.semantics("34b")
@pytest.mark.parametrize(
    ("offset", "left"),
    [(0, [(1, 0), (3, 9), (4, 20)]), (5, [(1, 5), (3, 9), (4, 20)]), (9, [(3, 9), (4, 20)]),
     (12, [(3, 12), (4, 20)]), (50, [(4, 50)])],
)  # fmt: skip
def test_truncating_the_start(offset: int, left: list[tuple[int, int]]) -> None:
    epochs = epochs_of((1, 0), (3, 9), (4, 20))
    epochs.truncate_start(offset)
    assert epochs.entries == left
    assert epochs.epoch_at(offset) == left[0][0]


@pytest.mark.semantics("34c")
def test_the_file_is_kafkas_with_a_checksum() -> None:
    epochs = epochs_of((1, 0), (3, 9))
    assert epochs.encode() == OURS
    for content in (OURS, KAFKAS):
        assert decode_leader_epochs(content).entries == epochs.entries
    assert decode_leader_epochs(epochs_of().encode()).entries == []


@pytest.mark.parametrize("size", range(len(OURS)))
def test_a_cut_file_is_refused(size: int) -> None:
    for content in {OURS[:size], KAFKAS[:size]} - {KAFKAS}:
        with pytest.raises(ValueError):
            decode_leader_epochs(content)


@pytest.mark.parametrize(
    "content", [b"1\n0\n", b"0\n1\n1\n", b"0\n2\n3 0\n1 9\n", b"0\n2\n1 9\n3 0\n", b"0\n-1\n"]
)
def test_nonsense_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        decode_leader_epochs(content)
