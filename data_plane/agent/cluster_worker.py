"""Brings one cluster to its spec and keeps it there: look, plan (reconcile.py), act, wait.

One task per cluster, so that a slow or broken one holds up no other. It wakes at a new spec, at a
broker's death, while a broker starts, and for samples and drift.
"""

import asyncio
import logging
from dataclasses import replace

from data_plane.agent import reconcile, sockets
from data_plane.agent.admin_session import AdminSession
from data_plane.agent.admin_state import AdminFailed, AdminOutcome
from data_plane.agent.cluster_status import ClusterFacts, status_from_facts
from data_plane.agent.conditions import ConditionBook
from data_plane.agent.managed_broker import ManagedBroker, candidates_of
from data_plane.agent.node import Node
from data_plane.agent.ports import PortTaken
from data_plane.agent.reconcile import ClusterSeen, Step
from data_plane.agent.secrets import SecretUnopened
from data_plane.agent.storage import read_json, write_json
from data_plane.contract.report import ClusterStatus
from data_plane.contract.rolling import RollView
from data_plane.contract.spec import ClusterSpec

logger = logging.getLogger(__name__)

ROUNDS_MAX = 20  # of look, plan, act before others get their turn
PROBLEM_RETRY_S = 1.0
ROLL_POLL_S = 0.25
SLOW_START_S = 5.0


class ClusterWorker:
    def __init__(self, node: Node, spec: ClusterSpec) -> None:
        self._node = node
        self._spec = spec
        self._storage = node.storage.cluster(spec.cluster_id)
        self._engine = node.engines[spec.engine]
        self._session = AdminSession(node, self._storage)
        self._woken = asyncio.Event()
        self._brokers = {
            broker.broker_id: ManagedBroker(node, self._engine, self._storage, broker, self.wake)
            for broker in self._storage.brokers()
        }
        self._applied = (read_json(self._storage.root / "applied.json") or {}).get("generation", 0)
        self._turn_done = (read_json(self._storage.root / "turn.json") or {}).get("done", 0)
        self._wanting: frozenset[int] = frozenset()  # brokers that wait for a turn
        self._outcome: AdminOutcome | None = None
        self._problem: Exception | None = None
        self._sizes: dict[str, int] = {}
        self._conditions = ConditionBook()
        self._admin_due_s = 0.0  # loop time, as the following
        self._admin_failures = 0
        self._sample_due_s = 0.0
        self._check_files = True
        self._is_rolling = False  # a restart waits until the partitions are in sync
        self.steps_taken = 0
        self._status = self._new_status()

    # -- told -----------------------------------------------------------------------------------

    def update(self, spec: ClusterSpec) -> None:
        """Take a newer spec of the same cluster; it is worth another try after a crash loop."""
        if spec == self._spec:
            return
        self._spec = spec
        self._admin_due_s, self._admin_failures = 0.0, 0
        for broker in self._brokers.values():
            broker.policy.forgive()
        self.wake()

    def wake(self) -> None:
        self._woken.set()

    @property
    def status(self) -> ClusterStatus:
        return self._status

    # -- the loop -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled; brokers are left as they are then."""
        try:
            while True:
                self._woken.clear()
                await self._turn()
                await self._pause()
        finally:
            self._session.close()
            for broker in self._brokers.values():
                broker.forget()

    async def _turn(self) -> None:
        try:
            await self._converge()
            await self._sample()
            self._problem = None
        except (SecretUnopened, PortTaken, AdminFailed, OSError) as problem:
            self._note_problem(problem)
        except Exception as problem:
            # One cluster's surprise must not end the agent, and with it the care for the others.
            logger.exception("cluster %s", self._spec.cluster_id)
            self._note_problem(problem)
        self._publish()

    async def _converge(self) -> None:
        for _ in range(ROUNDS_MAX):
            steps = reconcile.steps(self._spec, await self._seen())
            if not steps:
                return
            for step in steps:
                logger.info("cluster %s: %s", self._spec.cluster_id, step)
                self.steps_taken += 1
                await self._act(step)
                self._publish()

    async def _seen(self) -> ClusterSeen:
        if self._spec.desired == "running":
            for spec in self._spec.brokers:
                self._broker(spec.broker_id)
        brokers = {
            broker_id: await broker.seen(self._spec, self._check_files)
            for broker_id, broker in self._brokers.items()
        }
        self._check_files = False
        candidates = candidates_of(self._spec)
        if not all(seen.is_running for key, seen in brokers.items() if key not in candidates):
            self._session.reset()  # its client would go on calling where nobody answers
        seen = ClusterSeen(
            has_directory=self._storage.root.exists(),
            brokers=brokers,
            is_admin_due=_loop_time() >= self._admin_due_s,
            turn_done=self._turn_done,
        )
        self._wanting = reconcile.wanting(self._spec, seen)
        if reconcile.is_turn_over(self._spec, seen):
            self._end_turn()
        self._is_rolling = reconcile.wants_roll(self._spec, seen)
        return replace(seen, roll=await self._roll_view()) if self._is_rolling else seen

    def _end_turn(self) -> None:
        assert self._spec.turn is not None, "there is one to end"
        self._turn_done = self._spec.turn.number
        write_json(self._storage.root / "turn.json", {"done": self._turn_done})

    async def _roll_view(self) -> RollView:
        """Those here serve, or nobody would want to roll; of others the partitions tell."""
        try:
            view = await self._session.roll_view(self._spec, self._admin_ports())
        except AdminFailed as problem:
            logger.info("cluster %s: no restart yet: %s", self._spec.cluster_id, problem)
            return RollView()
        return replace(view, down_count=0)

    def _broker(self, broker_id: int) -> ManagedBroker:
        if broker_id not in self._brokers:
            storage = self._storage.broker(broker_id)
            self._brokers[broker_id] = ManagedBroker(
                self._node, self._engine, self._storage, storage, self.wake
            )
        return self._brokers[broker_id]

    # -- the steps ------------------------------------------------------------------------------

    async def _act(self, step: Step) -> None:
        match step:
            case reconcile.PreparePorts(broker_id):
                self._broker(broker_id).prepare_ports(self._spec)
            case reconcile.ReservePeerPorts(broker_id):
                self._broker(broker_id).reserve_peer_ports()
            case reconcile.WriteFiles(broker_id):
                self._broker(broker_id).write_files(self._spec)
            case reconcile.StartBroker(broker_id):
                self._broker(broker_id).start(self._spec)
                self._admin_due_s = 0.0  # what it holds is looked at as soon as it serves
            case reconcile.ReloadBroker(broker_id):
                self._broker(broker_id).reload(self._spec)
            case reconcile.StopBroker(broker_id):
                self._session.reset()
                await self._broker(broker_id).stop()
            case reconcile.StopBrokers(broker_ids):
                self._session.reset()
                await asyncio.gather(*(self._broker(each).stop() for each in broker_ids))
            case reconcile.EndHungBroker(broker_id):
                self._session.reset()
                await self._broker(broker_id).end_hung()
            case reconcile.RemoveBroker(broker_id):
                self._brokers.pop(broker_id).remove()
            case reconcile.ApplyAdminState():
                await self._apply_admin_state()
            case reconcile.RemoveCluster():
                self._remove()

    async def _apply_admin_state(self) -> None:
        spec = self._spec
        try:
            self._outcome = await self._session.apply(
                spec, self._admin_ports(), self._brokers_answer, may_finalize=self._may_finalize()
            )
        except (AdminFailed, SecretUnopened):
            self._admin_later()
            raise
        if not self._outcome.is_whole:
            self._admin_later()
            return
        if self._outcome.is_settled:
            self._admin_failures = 0
            self._admin_due_s = _loop_time() + self._node.config.limits.admin_refresh_s
        else:
            self._admin_later()
        if spec is not self._spec:
            self._admin_due_s = 0.0  # a newer spec came while this one was applied
        if self._applied != spec.generation:
            self._applied = spec.generation
            write_json(self._storage.root / "applied.json", {"generation": spec.generation})

    def _may_finalize(self) -> bool:
        """The brokers here run what they shall; those elsewhere the controller knows of."""
        wanted = self._engine.software_version
        is_ours = self._spec.software_version in ("", wanted)
        run = {broker.version for broker in self._brokers.values()}
        return self._spec.finalizes and is_ours and run == {wanted}

    def _admin_ports(self) -> list[int]:
        candidates = candidates_of(self._spec)
        started = [one for key, one in self._brokers.items() if key not in candidates]
        return [broker.ports.admin for broker in started if broker.ports]

    async def _brokers_answer(self) -> bool:
        answers = await asyncio.gather(*(broker.answers() for broker in self._brokers.values()))
        return all(answers)

    def _admin_later(self) -> None:
        """Try again, later each time."""
        self._admin_failures += 1
        delay_s = min(0.5 * 2**self._admin_failures, self._node.config.limits.admin_retry_s_max)
        self._admin_due_s = _loop_time() + delay_s

    def _remove(self) -> None:
        self._session.reset()
        for broker in self._brokers.values():
            broker.remove()
        self._brokers.clear()
        sockets.remove(self._storage)
        self._storage.remove()
        self._outcome, self._applied, self._sizes = None, 0, {}
        self._conditions.clear_all()

    async def stop_brokers(self) -> None:
        """Stop every process, once `run` has ended; nothing starts them again."""
        await asyncio.gather(*(broker.stop(with_all=True) for broker in self._brokers.values()))

    # -- samples --------------------------------------------------------------------------------

    async def _sample(self) -> None:
        if _loop_time() < self._sample_due_s:
            return
        self._sample_due_s = _loop_time() + self._node.config.limits.sample_interval_s
        self._check_files = True
        for broker in self._brokers.values():
            at_ms = self._node.now_ms()
            readings = await broker.readings()
            broker.bound_log()
            self._node.samples.add(self._spec.cluster_id, broker.broker_id, at_ms, readings)
            self._sizes |= {
                reading.topic: int(reading.value)
                for reading in readings
                if reading.name == "log_size_bytes" and reading.topic is not None
            }

    # -- waiting --------------------------------------------------------------------------------

    async def _pause(self) -> None:
        """Sleep until something is due or someone calls `wake`."""
        if self._woken.is_set():
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(self._pause_s()):
                await self._woken.wait()
        except TimeoutError:
            return

    def _pause_s(self) -> float:
        limits = self._node.config.limits
        due = [limits.sample_interval_s, self._sample_due_s - _loop_time()]
        if self._problem is not None:
            due.append(PROBLEM_RETRY_S)
        if self._is_rolling:
            due.append(ROLL_POLL_S)
        for broker in self._brokers.values():
            due.extend(self._broker_pause_s(broker))
        if self._spec.desired == "running":
            due.append(self._admin_due_s - _loop_time() if self._is_serving() else 60.0)
        return max(0.005, min(due))

    def _broker_pause_s(self, broker: ManagedBroker) -> list[float]:
        if broker.process is not None and not broker.is_ready:
            age_s = (self._node.now_ms() - broker.starting_since_ms) / 1000
            poll_s = self._node.config.limits.ready_poll_s
            return [poll_s if age_s < SLOW_START_S else 10 * poll_s]
        if broker.process is None and not broker.policy.is_crash_loop:
            return [max(0.0, (broker.policy.due_ms() - self._node.now_ms()) / 1000) or 0.25]
        return []

    def _is_serving(self) -> bool:
        candidates = candidates_of(self._spec)
        started = [broker for key, broker in self._brokers.items() if key not in candidates]
        return bool(started) and all(broker.is_ready for broker in started)

    # -- what is reported -----------------------------------------------------------------------

    def _note_problem(self, problem: Exception) -> None:
        if str(problem) != str(self._problem):
            logger.warning("cluster %s: %s", self._spec.cluster_id, problem)
        self._problem = problem

    def _publish(self) -> None:
        """Renew the status; a change is posted at once."""
        status = self._new_status()
        if status != self._status:
            self._status = status
            self._node.changed.set()

    def _new_status(self) -> ClusterStatus:
        facts = ClusterFacts(
            spec=self._spec,
            brokers=tuple(self._brokers[key] for key in sorted(self._brokers)),
            has_directory=self._storage.root.exists(),
            applied_generation=self._applied,
            outcome=self._outcome,
            problem=self._problem,
            sizes=self._sizes,
            software_version=self._engine.software_version,
            turn_done=self._turn_done,
            wanting=self._wanting,
        )
        return status_from_facts(facts, self._conditions, self._node.now_ms())


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
