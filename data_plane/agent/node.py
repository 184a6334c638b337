"""What every cluster of this node shares: one object, made once in node_agent.py."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from data_plane.agent.admin_state import AdminPort
from data_plane.agent.config import AgentConfig
from data_plane.agent.engines.base import Engine
from data_plane.agent.kafka_admin import AdminAccess
from data_plane.agent.metrics import SampleQueue
from data_plane.agent.ports import PortBook
from data_plane.agent.secrets import NodeKeys
from data_plane.agent.storage import Storage
from data_plane.contract.spec import SealedSecret


class ClosableAdmin(AdminPort, Protocol):
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Node:
    config: AgentConfig
    node_id: str
    storage: Storage
    keys: NodeKeys
    ports: PortBook
    samples: SampleQueue
    engines: Mapping[str, Engine]
    connect_admin: Callable[[AdminAccess], ClosableAdmin]
    threads: Executor  # admin calls block
    now_ms: Callable[[], int]
    changed: asyncio.Event = field(default_factory=asyncio.Event)  # the report differs: post it

    def open_secret(self, secret: SealedSecret) -> bytes:
        """Raises SecretUnopened."""
        return self.keys.open(secret, self.node_id)
