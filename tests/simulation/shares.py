"""What every run of the tests has of the worlds; files of their own, so that they run abreast."""

from itertools import islice

from tests.simulation.bank import BANK, stored_seeds
from tests.simulation.plants import Planted, Shown, look_for, said_without_bug
from tests.simulation.worlds import CLUSTER

CLUSTER_WORLDS, CLUSTER_SHARES = 200, 8  # A world costs about 1 s of CPU; `make sim` has the rest.
BANK_SHARES = 3  # of the bank's bugs of the cluster
QUORUM_WORLDS = 24
# Where a change of the brokers has shifted what seeds do, a bug is looked for in so many more.
SHIFTED_WORLDS_MAX = 16
REPLAY_S_MAX = 600  # of one bug, where it has to be looked for


def cluster_share(number: int) -> range:
    """The seeds of one of the shares."""
    return range(number, CLUSTER_WORLDS, CLUSTER_SHARES)


def stored_bugs(kind: str, share: int = 0, shares: int = 1) -> list[Planted]:
    """Those of one kind of world that have a stored seed; one of so many shares of them."""
    stored = stored_seeds()
    return [one for one in BANK if one.world == kind and one.name in stored][share::shares]


def replayed(planted: Planted) -> tuple[int, Shown]:
    """The stored seed, or the next one that shows the bug, and what its world says.

    Fails if none does: then `make sim BANK=1 ARGS=--refresh` has to find another.
    """
    first = stored_seeds()[planted.name]["seed"]
    for seed in islice(planted.seeds(first), SHIFTED_WORLDS_MAX):
        shown = look_for(planted, seed)
        if shown.said and shown.bites and is_clean(planted.world, seed):
            return seed, shown
    raise AssertionError(f"{planted.name}: nothing in seeds {first} to {seed}; refresh the bank")


def is_clean(kind: str, seed: int) -> bool:
    """Without the bug nothing fails: of the shares' seeds, these tests say so themselves."""
    worlds = CLUSTER_WORLDS if kind == CLUSTER else QUORUM_WORLDS
    return seed < worlds or not said_without_bug(kind, seed)


def assert_is_found(planted: Planted) -> None:
    """It shows, the same way each time; that is known if the run is the one that was stored."""
    seed, shown = replayed(planted)
    if shown.trace != stored_seeds()[planted.name]["trace"]:
        assert look_for(planted, seed) == shown
