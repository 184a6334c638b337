"""Whatever happens within the promise, what was committed is found again (durability.md 1, 3).

Method: seeded sequences of appends, copies, syncs, crashes, power losses, lost disks, wrong and
right fencing, registrations and elections over the real decisions; after each, every member of E
must hold what is committed. One case: -k "[<seed>]".
"""

from itertools import permutations

import pytest

from data_plane.metadata.leadership import NO_LEADER
from data_plane.metadata.records import RestartKind
from tests.unit.data_plane.metadata.leadership_model import BROKERS, Model

STEPS = 400
LOSSES = (RestartKind.PROCESS_CRASH, RestartKind.POWER_LOSS, RestartKind.NEW_DIRECTORY)


def act(model: Model) -> None:
    """One random thing happens."""
    rng = model.rng
    key, broker_id = rng.choice(model.keys), rng.choice(BROKERS)
    match rng.randrange(27):
        case 0 | 1 | 2 | 3:
            model.append(key)
        case 4 | 5 | 6 | 7 | 8:
            if (*key, broker_id) in model.replicas:
                model.fetch(key, broker_id)
        case 9 | 10:
            model.sync(key, broker_id)
        case 11 | 12 | 13:
            model.commit(key)
        case 14:
            model.shrink(key, broker_id)
        case 15 | 16 | 17:
            model.expand(key, broker_id)
        case 18:
            stop(model, broker_id)
        case 19:
            model.fence(*rng.sample(BROKERS, rng.randint(1, 2)))  # Rightly or not.
        case 20:
            if broker_id not in model.up:
                model.register(broker_id, model.kinds[broker_id])
        case 21:
            model.unfence(broker_id)
        case 22:
            model.tell_ends(broker_id)
        case 23 | 24:
            lose_one_of_two(model, key)
        case 25:
            model.begin_shutdown(broker_id) if rng.random() < 0.3 else model.balance()
        case 26:
            model.change_controller()


def lose_one_of_two(model: Model, key: tuple[str, int]) -> None:
    """Down to two in sync, one of which loses power right after a commit and comes back at once."""
    for broker_id in model.row(key).isr[2:]:
        model.shrink(key, broker_id)
    model.append(key)
    for broker_id in model.row(key).isr:
        model.fetch(key, broker_id)
    model.commit(key)
    if model.row(key).isr:
        broker_id = model.rng.choice(model.row(key).isr)
        stop(model, broker_id, RestartKind.POWER_LOSS)
        if broker_id not in model.up:
            model.register(broker_id, model.kinds[broker_id])


def stop(model: Model, broker_id: int, kind: RestartKind | None = None) -> None:
    kind = model.rng.choice(LOSSES) if kind is None else kind
    if broker_id in model.up and model.is_within_the_promise(broker_id, kind):
        model.stop(broker_id, kind)
        if kind is not RestartKind.PROCESS_CRASH:
            # Else the others might leave E before anybody knows: a second loss, not promised.
            model.fence(broker_id)


@pytest.mark.semantics("75a", "76a", "78a", "78b")
@pytest.mark.parametrize("seed", range(60))
def test_what_was_committed_is_found_again(seed: int) -> None:
    model = Model(seed)
    for _ in range(STEPS):
        act(model)
        model.check()
    model.check_snapshot()
    heal(model)
    for key in model.keys:
        row = model.row(key)
        assert row.leader != NO_LEADER, row
        assert model.replicas[(*key, row.leader)].holds(model.committed[key])
        assert set(row.isr) == set(row.replicas), "once faults stop, all are in sync again"


def heal(model: Model) -> None:
    """Everybody comes back, and followers copy until they are in sync."""
    for broker_id in BROKERS:
        if broker_id not in model.up:
            model.register(broker_id, model.kinds[broker_id])
        elif model.image.brokers[broker_id].is_shutting_down:
            model.stop(broker_id, RestartKind.PROCESS_CRASH)
            model.register(broker_id, RestartKind.PROCESS_CRASH)
    for broker_id in BROKERS:
        model.unfence(broker_id)
    for broker_id in BROKERS:
        model.tell_ends(broker_id)
    for _ in range(200):
        for key in model.keys:
            for broker_id in model.row(key).replicas:
                model.fetch(key, broker_id)
                model.sync(key, broker_id)
                model.expand(key, broker_id)
            model.commit(key)
        model.check()
        if all(set(model.row(key).isr) == set(model.row(key).replicas) for key in model.keys):
            return


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("lost", range(3))
@pytest.mark.parametrize("name", ["synced", "spread"])
@pytest.mark.parametrize("is_slow", [False, True], ids=["at once", "duties between"])
def test_one_lost_directory_and_two_restarts_leave_a_leader(
    name: str, lost: int, order: tuple[int, ...], is_slow: bool
) -> None:
    """All stop at once, the controller too, so that nobody is fenced; one comes back empty.

    Each registration takes its broker out of the ISR if the leader can go on. No leader could: the
    two that hold everything must not leave it to the one whose disk is lost. lost, order: by place
    among the replicas, the first of which led. is_slow: meanwhile the controller does its duties,
    and those that are fenced leave the ISRs.
    """
    model = Model(7)
    key = (name, 0)
    replicas = model.row(key).replicas
    assert model.row(key).isr == replicas
    model.append(key)
    for broker_id in (*replicas, *replicas):
        for _ in range(5):  # Each copies a random number of records.
            model.fetch(key, broker_id)
        model.sync(key, broker_id)
    model.commit(key)
    assert model.committed[key]
    for place, broker_id in enumerate(replicas):
        is_lost = place == lost
        model.stop(broker_id, RestartKind.NEW_DIRECTORY if is_lost else RestartKind.PROCESS_CRASH)
    model.change_controller()
    for place in order:
        model.register(replicas[place], model.kinds[replicas[place]])
        if is_slow:
            model.leave()
    for place in order:
        model.unfence(replicas[place])
        if is_slow:
            model.leave()
    row = model.row(key)
    assert row.leader not in (NO_LEADER, replicas[lost]), row
    assert not row.is_recovering
    assert model.replicas[(*key, row.leader)].holds(model.committed[key])
    assert all(model.replicas[(*key, each)].holds(model.committed[key]) for each in row.isr)
