"""Stopping the brokers of a data directory whose agent is gone (`ottla-agent stop`)."""

import asyncio

from data_plane.agent import supervise
from data_plane.agent.config import Limits
from data_plane.agent.engines.embedded import EmbeddedEngine
from data_plane.agent.storage import BrokerStorage, Storage


async def stop_all(storage: Storage) -> int:
    """Stop every broker found; returns how many ran.

    Raises DirectoryInUse where an agent lives: it would start them again, so it is the one to ask.
    """
    if not storage.root.exists():
        return 0
    storage.lock()
    try:
        stopped = await asyncio.gather(*(_stop(broker) for broker in storage.brokers()))
    finally:
        storage.unlock()
    return sum(stopped)


async def _stop(broker: BrokerStorage) -> bool:
    engine = EmbeddedEngine()
    process = supervise.adopt(broker, engine.marker(broker), engine.reloaded, lambda: None)
    if process is None:
        return False
    await process.stop(Limits().stop_s_max, engine.stop_of_all(broker))
    broker.process.unlink(missing_ok=True)
    return True
