"""A share of `make fuzz`, the same inputs each time; at length it draws its seed."""

import random
from pathlib import Path

import pytest

from tests.fuzz import amplification, bombs, in_process, lies, log_dirs, sockets
from tests.fuzz.corpus import deep, frames
from tests.fuzz.mutators import MUTATORS, mutated
from tests.fuzz.watch import Hang, no_hang

SEED = 20


def test_mutated_frames_in_process() -> None:
    outcomes = in_process.run(15_000, SEED)
    assert outcomes.total() == 15_000
    assert outcomes["answered"] > 1_000
    assert outcomes["closed"] > 1_000


def test_mutated_frames_over_sockets(tmp_path: Path) -> None:
    outcomes = sockets.run(3_000, SEED, tmp_path)
    assert outcomes["frames"] >= 3_000
    assert outcomes["answered"] > 100


def test_no_array_costs_much_more_than_its_bytes() -> None:
    assert amplification.run(SEED, share=0.02)["arrays"] > 0


def test_bombs_stay_small_in_every_way() -> None:
    assert bombs.run(SEED, share=0.12).total() >= 3


def test_lying_batches_are_refused_or_harmless() -> None:
    outcomes = lies.run(4_000, SEED)
    assert outcomes["kept"] > 100
    assert {"INVALID_RECORD", "CORRUPT_MESSAGE", "INVALID_PRODUCER_EPOCH"} <= outcomes.keys()


def test_damaged_directories_cost_a_partition_at_most() -> None:
    outcomes = log_dirs.run(250, SEED)
    assert {"served", "not served", "refused to start"} <= outcomes.keys()


@pytest.mark.parametrize("mutator", dict.fromkeys(MUTATORS), ids=lambda one: one.__name__)
def test_every_mutator_changes_frames_and_fits_any(mutator: object) -> None:
    assert callable(mutator)
    rng, corpus = random.Random(SEED), [*frames()[:40], *list(deep())[:10], b"", b"\0"]
    changed = 0
    for frame in corpus * 5:
        out = bytearray(frame)
        mutator(rng, out, corpus)
        changed += bytes(out) != frame
    assert changed > len(corpus)


def test_the_same_seed_gives_the_same_frames() -> None:
    corpus = frames()[:50]
    first, second = (
        [mutated(rng, frame, corpus) for frame in corpus]
        for rng in (random.Random(SEED), random.Random(SEED))
    )
    assert first == second != corpus


def spin() -> None:
    while True:
        pass


def test_a_hang_is_found() -> None:
    with pytest.raises(Hang), no_hang("a loop", 0.05):
        spin()
