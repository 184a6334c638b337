"""The two kinds of worlds, run so that nothing unexpected in them is passed over.

A broker that fails in a request for no reason that it knows logs that, closes the connection and
goes on, as it must. In a world it is a bug of the broker's own, and ends it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from tests.simulation import aims, quorum_blows
from tests.simulation.cluster_world import ClusterWorld
from tests.simulation.invariants import Violation
from tests.simulation.quorum_world import QuorumWorld

CLUSTER, QUORUM = "cluster", "quorum"
World = ClusterWorld | QuorumWorld

BROKERS_LOG = logging.getLogger("data_plane")


class Surprise(Violation):
    """Something failed that nobody had thought of; its cause is what did."""


class _Surprises(logging.Handler):
    """Told of nothing but errors; those that carry an exception were not expected."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            raise Surprise(f"{record.getMessage()}: {type(error).__name__}: {error}") from error


@contextmanager
def without_surprises() -> Iterator[None]:
    """Raise Surprise out of whatever logs an exception, for as long as this lasts."""
    handler = _Surprises(logging.ERROR)
    level, passes_on = BROKERS_LOG.level, BROKERS_LOG.propagate
    BROKERS_LOG.addHandler(handler)
    BROKERS_LOG.setLevel(logging.ERROR)  # Less is not even put into words, which takes time.
    BROKERS_LOG.propagate = False
    try:
        yield
    finally:
        BROKERS_LOG.removeHandler(handler)
        BROKERS_LOG.setLevel(level)
        BROKERS_LOG.propagate = passes_on


def world_of(kind: str, seed: int) -> World:
    return ClusterWorld(seed) if kind == CLUSTER else QuorumWorld(seed)


def aim_of(kind: str, seed: int) -> str:
    """What a world is aimed at, empty if at nothing; said without making it."""
    return (aims.drawn if kind == CLUSTER else quorum_blows.drawn_aim)(seed)


@cache
def features_of(kind: str, seed: int) -> frozenset[str]:
    """What a world has that others have not; worlds of the quorum all have everything."""
    return ClusterWorld(seed).features if kind == CLUSTER else frozenset()


def trace_of(world: World) -> str:
    """Of all that has happened in a world, to its end or to its failure."""
    return world.trace if isinstance(world, QuorumWorld) else world._trace.hexdigest()


def run_world(kind: str, seed: int) -> World:
    """A world that has come to its end well. Raises what it failed by."""
    world = world_of(kind, seed)
    with without_surprises():
        world.run()
    return world
