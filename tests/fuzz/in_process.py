"""Mutated frames into a whole broker over an in-memory disk (reliability.md F1, F2)."""

import random
import tracemalloc
from collections import Counter
from typing import Any

from data_plane.broker.dispatch import CloseConnection, Session, dispatch
from data_plane.security.principals import ANONYMOUS
from tests.fuzz.corpus import TOPICS, deep, frames
from tests.fuzz.mutators import mutated
from tests.fuzz.watch import GROWTH_BYTES_MAX, Tell, faults, no_hang, resident_bytes, silent
from tests.unit.data_plane.broker.world import World

FRAMES_PER_WORLD = 5_000  # then a fresh broker: what requests create may stay, and does
FRAMES_PER_TURN = 20
MEASURED_SHARE = 50  # one frame in so many is measured by tracemalloc, which is slow
ALLOCATED_PER_BYTE, ALLOCATED_FREE = 16, 1 << 20  # F2, authenticated


def run(count: int, seed: int, tell: Tell = silent) -> Counter[str]:
    """Feed `count` frames; return how they were received. Raises AssertionError or Hang."""
    rng = random.Random(seed)
    golden, deep_ones = frames(), list(deep())
    corpus = golden + deep_ones * max(1, len(golden) // len(deep_ones))
    outcomes: Counter[str] = Counter()
    grown_from = 0
    with faults() as found:
        for first in range(0, count, FRAMES_PER_WORLD):
            share = min(FRAMES_PER_WORLD, count - first)
            outcomes += feed(rng, corpus, share)
            assert not found.found, (seed, found.found[:5])
            tell(share)
            if first == FRAMES_PER_WORLD:
                grown_from = resident_bytes()  # Modules are imported and caches full by now.
    if grown_from:
        grown = resident_bytes() - grown_from
        assert grown <= GROWTH_BYTES_MAX, f"{grown} bytes more after {count} frames"
    return outcomes


def feed(rng: random.Random, corpus: list[bytes], count: int) -> Counter[str]:
    world = new_world()
    outcomes: Counter[str] = Counter()
    session = new_session()
    for at in range(count):
        frame = mutated(rng, rng.choice(corpus), corpus)
        is_measured = at % MEASURED_SHARE == 0
        with no_hang(frame.hex()):
            try:
                outcome = (
                    measured(world, session, frame) if is_measured else send(world, session, frame)
                )
            except CloseConnection:
                session, outcome = new_session(), "closed"
            if at % FRAMES_PER_TURN == 0:
                world.now_ms += 50
                world.settle()
        outcomes[outcome] += 1
        assert not world.failures, (frame.hex(), world.failures)
    world.settle()
    assert_serves(world)
    return outcomes


def new_world() -> World:
    world = World(auto_create_topics_enable="false")
    configs: dict[str, Any] = {
        "compacted": {"cleanup_policy": "compact"},
        "weak": {"ack_durability": "replicated"},
    }
    for name in TOPICS:
        world.create_topic(name, **configs.get(name, {}))
    world.settle()
    return world


def new_session() -> Session:
    return Session(listener="PLAINTEXT", principal=ANONYMOUS, client_host="127.0.0.1")


def send(world: World, session: Session, frame: bytes) -> str:
    """One frame through dispatch, and its answer encoded. Raises CloseConnection."""
    reply = dispatch(world.broker, session, memoryview(bytearray(frame)), world.now_ms)
    world.broker.end_turn(world.now_ms)
    if reply is None:
        return "no reply wanted"
    if not reply.is_ready:
        reply.when_done(lambda _: None)
        reply.abandon()
        return "parked"
    reply.take()
    return "answered"


def measured(world: World, session: Session, frame: bytes) -> str:
    """As `send`, and what it allocated at its peak stays within bounds."""
    tracemalloc.start()
    try:
        outcome = send(world, session, frame)
    finally:
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        allowed = ALLOCATED_PER_BYTE * len(frame) + ALLOCATED_FREE
        assert peak_bytes <= allowed, (peak_bytes, frame.hex())
    return outcome


def assert_serves(world: World) -> None:
    """The broker still does what it is for."""
    world.create_topic("afterwards")
    from tests.unit.data_plane.broker.world import batch_of, fetched, produced

    world.session = new_session()
    asked = world.produce("afterwards", batch_of(b"still here"))
    world.settle()
    assert produced(asked).error_code == 0
    assert b"still here" in bytes(fetched(world.fetch("afterwards", 0)).records or b"")
