"""A control plane without its processes: a database, a clock that is told, one scripted node."""

import datetime as dt
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from control_plane.database import engine_for
from control_plane.domain.clock import Clock, ManualClock
from control_plane.domain.states import LIVE
from control_plane.models import Account, Addon, App, Cluster, Node, Operation, Topic
from control_plane.pki.seal import Sealer
from control_plane.sagas import SAGAS
from control_plane.sagas.engine import Runtime, Saga, run
from control_plane.services import accounts, addons, apps, nodes, operations, specs, topics
from tests.fakes.scripted_agent import ScriptedAgent

SLUG = "ottla-kafka"
START = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
PASSWORD = "correct horse"
ROUNDS_MAX = 400


@dataclass
class World:
    """Rows by services, steps by the engine, reports by the agent; nothing runs by itself."""

    sessions: sessionmaker[Session]
    sagas: Mapping[str, Saga] = field(default_factory=lambda: SAGAS)
    clock: Clock = field(default_factory=lambda: ManualClock(START))
    sealer: Sealer = field(default_factory=lambda: Sealer(b"k" * 32))
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    agent: ScriptedAgent = field(default_factory=ScriptedAgent)
    seam: Callable[[str], None] = lambda _: None
    is_agent_silent: bool = False
    others: list[ScriptedAgent] = field(default_factory=list)  # more nodes

    @classmethod
    def on(cls, database_url: str) -> "World":
        return cls(sessionmaker(engine_for(database_url), expire_on_commit=False))

    def close(self) -> None:
        bind = self.sessions.kw["bind"]
        bind.dispose()

    @property
    def now(self) -> dt.datetime:
        return self.clock.now()

    @property
    def runtime(self) -> Runtime:
        return Runtime(self.sagas, self.sessions, self.clock, self.sealer, self.seam)

    def wait(self, seconds: float) -> None:
        """Let time pass, on a clock that is told."""
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(seconds=seconds)

    def register_node(self) -> Node:
        with self.sessions.begin() as session:
            token = nodes.invite(session, now=self.now)
            node = nodes.register(session, self.agent.registration(), token=token, now=self.now)
            self.agent.node_id = str(node.id)
        self.report()
        return node

    def add_node(self, name: str, *, rack: str | None = None) -> Node:
        """One more node, with an agent of its own."""
        agent = ScriptedAgent(name=name, rack=rack, port_first=21_000, port_last=21_099)
        with self.sessions.begin() as session:
            token = nodes.invite(session, now=self.now)
            node = nodes.register(session, agent.registration(), token=token, now=self.now)
            agent.node_id = str(node.id)
        self.others.append(agent)
        self.report()
        return node

    def change_plan(self, addon_id: uuid.UUID, plan: str, **options: Any) -> Operation | None:
        with self.sessions.begin() as session:
            addon = session.get_one(Addon, addon_id)
            return addons.change_plan(session, addon, plan=plan, slug=SLUG, now=self.now, **options)

    def add_account(self, email: str = "grete@example.com") -> Account:
        with self.sessions.begin() as session:
            return accounts.create(session, email=email, password=PASSWORD, now=self.now)

    def add_app(self, account: Account, name: str = "flights") -> App:
        with self.sessions.begin() as session:
            return apps.create(
                session, session.merge(account), name=name, now=self.now, rng=self.rng
            )

    def add_addon(
        self, app: App, *, plan: str = "mini-0", name: str | None = None
    ) -> tuple[Addon, Operation]:
        with self.sessions.begin() as session:
            return addons.create(
                session,
                session.get_one(App, app.id),
                plan=plan,
                slug=SLUG,
                name=name,
                now=self.now,
                rng=self.rng,
            )

    def provisioned(self) -> Addon:
        """Return an add-on that is available, on a node of its own account and app."""
        self.register_node()
        addon, operation = self.add_addon(self.add_app(self.add_account()))
        self.settle(operation.id)
        return self.addon(addon.id)

    def destroy(self, addon_id: uuid.UUID) -> Operation | None:
        with self.sessions.begin() as session:
            return addons.destroy(session, session.get_one(Addon, addon_id), now=self.now)

    def add_topic(self, cluster_id: uuid.UUID, name: str, **shape: Any) -> tuple[Topic, Operation]:
        with self.sessions.begin() as session:
            cluster = session.get_one(Cluster, cluster_id)
            return topics.create(session, cluster, name=name, now=self.now, **shape)

    def report(self) -> list[uuid.UUID]:
        """Let the agents fetch their specs, apply them and report; returns the operations woken."""
        agents = ([] if self.is_agent_silent else [self.agent]) + self.others
        heard = [agent for agent in agents if agent.node_id and not agent.is_silent]
        woken = [each for agent in heard for each in self._report(agent)]
        return list(dict.fromkeys(woken))

    def _report(self, agent: ScriptedAgent) -> list[uuid.UUID]:
        node_id = uuid.UUID(agent.node_id)
        with self.sessions.begin() as session:
            known = agent.spec.generation if agent.spec else 0
            agent.accept(specs.after(session, node_id, known))
            node = session.get_one(Node, node_id)
            return nodes.record_report(session, node, agent.report(), now=self.now)

    def run(self, operation_id: uuid.UUID) -> None:
        run(self.runtime, operation_id)

    def settle(self, operation_id: uuid.UUID, *, seconds: float = 1) -> Operation:
        """Run, report and let time pass until the operation has ended."""
        for _ in range(ROUNDS_MAX):
            self.run(operation_id)
            self.report()
            operation = self.operation(operation_id)
            if operation.state not in LIVE:
                return operation
            self.wait(seconds)
        raise AssertionError(f"{operation.kind} is still at {operation.step}: {operation.reason}")

    def settle_all(self) -> None:
        """Sweep until nothing is left to do."""
        for _ in range(ROUNDS_MAX):
            with self.sessions.begin() as session:
                live = session.query(Operation).where(Operation.state.in_(LIVE)).all()
                due = operations.take_due(session, now=self.now)
            if not live:
                return
            for operation_id in due:
                self.run(operation_id)
            self.report()
            self.wait(1)
        raise AssertionError(f"still under way: {[(each.kind, each.step) for each in live]}")

    def operation(self, operation_id: uuid.UUID) -> Operation:
        with self.sessions() as session:
            return session.get_one(Operation, operation_id)

    def addon(self, addon_id: uuid.UUID) -> Addon:
        with self.sessions() as session:
            return session.get_one(Addon, addon_id)

    def cluster(self, addon_id: uuid.UUID) -> Cluster:
        with self.sessions() as session:
            return session.query(Cluster).where(Cluster.addon_id == addon_id).one()

    def with_seam(self, seam: Callable[[str], None]) -> "World":
        """The same world, with something happening around effects."""
        return replace(self, seam=seam)
