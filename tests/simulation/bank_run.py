"""Look for every bug of the bank: which seed shows it first, and how many it takes; resumable."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from hashlib import blake2b
from inspect import getsource
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.progress import Progress
from tests.simulation.bank import BANK, Stored, store_seeds, stored_seeds
from tests.simulation.journal import Journal, code_in_use
from tests.simulation.plants import Planted, is_shown, look_for
from tests.simulation.runs import INTERRUPTED
from tests.simulation.workers import Stopped, Workers

WORLDS_AT_ONCE = 4  # of one bug, before the next one has its turn
NONE = -1


class Look(NamedTuple):
    """A few worlds of one bug. seed: of the one that shows it, NONE if none did.

    code: of the bug and of the worlds, so that nothing is taken for known of others. last: the
    last seed that was run.
    """

    name: str
    code: str
    first: int
    looked: int
    bites: int
    seed: int = NONE
    said: str = ""
    trace: str = ""
    last: int = NONE


class Search:
    """One bug: what is known of it, and where to look next."""

    def __init__(self, planted: Planted, stored: Stored | None) -> None:
        """stored: where to look before anywhere else; None: from the first seed on."""
        self.planted = planted
        self.looked = self.bites = 0
        self.found: Look | None = None
        self._stored = stored
        self._next = 0

    @property
    def next_seeds(self) -> list[int]:
        if self._stored is not None:
            return [self._stored["seed"]]
        return list(islice(self.planted.seeds(self._next), WORLDS_AT_ONCE))

    @property
    def worlds(self) -> int:
        """How many were looked through; of one that was found: when it was first."""
        is_where_stored = self.found is not None and self._stored is not None
        return self._stored["worlds"] if is_where_stored and self._stored else self.looked

    def take(self, look: Look) -> None:
        self.bites += look.bites
        if look.seed != NONE:
            self.found = look
        if self._stored is None:
            self.looked += look.looked
            self._next = look.last + 1
        elif self.found is None:
            self._stored = None

    def told(self) -> str:
        name = self.planted.name
        if self.found is not None:
            return f"{self.found.seed:6d}  {name}, in {self.worlds} worlds: {self.found.said}"
        if not self.bites:
            return f"NEVER REACHED  {name}, in {self.looked} worlds"
        return f"MISSED  {name}, in {self.looked} worlds, in which it bit {self.bites} times"


def look_through(name: str, seeds: Sequence[int]) -> Look:
    """Run the worlds of these seeds with a bug planted, to the first that shows it."""
    planted = next(one for one in BANK if one.name == name)
    bites, code = 0, code_of(planted)
    for count, seed in enumerate(seeds, 1):
        shown = look_for(planted, seed)
        bites += shown.bites
        if is_shown(planted, seed, shown):
            return Look(name, code, seeds[0], count, bites, seed, shown.said, shown.trace, seed)
    return Look(name, code, seeds[0], len(seeds), bites, last=seeds[-1])


def code_of(planted: Planted) -> str:
    whole = f"{planted.name} {code_in_use(planted.world)} {getsource(planted.plant)}"
    return blake2b(whole.encode(), digest_size=8).hexdigest()


def find_all(
    bank: Sequence[Planted], worlds_max: int, *, jobs: int, state: Path, is_refresh: bool
) -> int:
    """Print the first seed that shows each, and the median of how many it took; 0: all are found.

    is_refresh: look at the stored seeds first, and store what is found.
    """
    stored = stored_seeds() if is_refresh else {}
    searches = {one.name: Search(one, stored.get(one.name)) for one in bank}
    journal = Journal(state / ("refresh.jsonl" if is_refresh else "bank.jsonl"))
    for search in searches.values():
        for row in journal.of(code_of(search.planted)):
            search.take(Look(**row))
    if not _search(list(searches.values()), worlds_max, jobs, journal):
        print("stopped; the same command goes on from here")
        return INTERRUPTED
    missed = _told(list(searches.values()))
    if is_refresh:
        _store(searches)
    return 1 if missed else 0


def _search(searches: list[Search], worlds_max: int, jobs: int, journal: Journal) -> bool:
    """Each bug has its turn with a few worlds, until all are found or looked for long enough."""
    open_ones = deque(one for one in searches if one.found is None and one.looked < worlds_max)
    by_name = {one.planted.name: one for one in searches}
    progress = Progress(sum(worlds_max - one.looked for one in open_ones), is_at_most=True)
    running: set[Future[Look]] = set()
    try:
        with Workers(jobs) as pool:
            while open_ones or running:
                while open_ones and len(running) < jobs:
                    one = open_ones.popleft()
                    running.add(pool.submit(look_through, one.planted.name, one.next_seeds))
                done, running = pool.wait(running)
                for future in done:
                    look = future.result()
                    search = by_name[look.name]
                    search.take(look)
                    journal.add(look._asdict())
                    if search.found is not None:
                        progress.total -= max(0, worlds_max - search.looked - look.looked)
                        progress.say(search.told())
                    elif search.looked < worlds_max:
                        open_ones.append(search)
                    found = sum(1 for each in searches if each.found is not None)
                    progress.step(look.looked, f"{found} of {len(searches)} found")
    except Stopped:
        progress.end()
        return False
    progress.end()
    return True


def _told(searches: list[Search]) -> int:
    """Print what is missed and the sum of it; return how many are missed."""
    print()
    missed = [one for one in searches if one.found is None]
    for one in missed:
        print(one.told())
    took = [one.worlds for one in searches if one.found is not None]
    worlds = f"median {median(took):g}, most {max(took)} worlds" if took else "none"
    print(f"{len(took)} of {len(searches)} found; {worlds}")
    return len(missed)


def _store(searches: dict[str, Search]) -> None:
    """What is stored of others stays; what is not found any more goes."""
    rows = {name: row for name, row in stored_seeds().items() if name not in searches}
    for name, search in searches.items():
        if search.found is not None:
            found = search.found
            rows[name] = Stored(
                seed=found.seed, said=found.said, trace=found.trace, worlds=search.worlds
            )
    store_seeds(rows)
    print(f"{len(rows)} seeds are stored")
