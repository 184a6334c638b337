"""The agent as a whole: one worker per cluster, the accepted spec, the report."""

import asyncio
import contextlib
import logging

from data_plane.agent import specs
from data_plane.agent.cluster_worker import ClusterWorker
from data_plane.agent.conditions import SPEC_REFUSED
from data_plane.agent.node import Node
from data_plane.agent.processes import boot_id
from data_plane.agent.software import own_version
from data_plane.agent.specs import AcceptedSpec
from data_plane.contract.report import ClusterStatus, Condition, NodeReport
from data_plane.contract.spec import ClusterSpec, NodeSpec

logger = logging.getLogger(__name__)


class NodeAgent:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._spec = specs.load(node.storage, node.node_id)
        self._workers: dict[str, ClusterWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._refused: dict[str, ClusterStatus] = {}
        self._boot_id = boot_id()
        self._version = own_version()
        node.ports.load(node.storage.brokers())

    @property
    def generation(self) -> int:
        return self._spec.node.generation

    def start(self) -> None:
        """Apply what lies on disk; the control plane need not be there (C7)."""
        self._spread(self._spec)

    def accept(self, spec: NodeSpec) -> bool:
        """Take a spec from the control plane; False if it is the one already held.

        On disk before it is acted upon, so that a restart goes on with it. Raises SpecRefused.
        """
        new = specs.accepted(self._spec, spec)
        if new is None:
            return False
        specs.save(self._node.storage, new)
        self._spec = new
        self._spread(new)
        self._node.changed.set()
        logger.info("accepted spec generation %d", spec.generation)
        return True

    def _spread(self, spec: AcceptedSpec) -> None:
        for cluster_id in self._workers.keys() - spec.clusters.keys():
            self._tasks.pop(cluster_id).cancel()
            del self._workers[cluster_id]
        self._refused = {}
        for cluster_id, cluster in spec.clusters.items():
            if cluster_id in self._workers:
                self._workers[cluster_id].update(cluster)
            elif why := self._unworkable(cluster):
                self._refused[cluster_id] = refused_status(cluster, why, self._node.now_ms())
            else:
                worker = self._workers[cluster_id] = ClusterWorker(self._node, cluster)
                self._tasks[cluster_id] = asyncio.create_task(worker.run())

    def _unworkable(self, cluster: ClusterSpec) -> str:
        if cluster.engine not in self._node.engines:
            return f"this agent has no engine named {cluster.engine}"
        try:
            self._node.storage.cluster(cluster.cluster_id)
        except ValueError:
            return "the cluster id is not a UUID"
        return ""

    def report(self) -> NodeReport:
        free, total = self._node.storage.disk()
        return NodeReport(
            node_id=self._node.node_id,
            observed_generation=self.generation,
            boot_id=self._boot_id,
            agent_version=self._version,
            disk_free_bytes=free,
            disk_total_bytes=total,
            clusters=[
                *(worker.status for worker in self._workers.values()),
                *self._refused.values(),
            ],
            samples=list(self._node.samples.first(self._node.config.limits.samples_per_report_max)),
        )

    def reported(self, report: NodeReport) -> None:
        self._node.samples.stored(report.samples)

    async def stop(self, stop_brokers: bool) -> None:
        """End the workers; brokers go on unless they are asked to stop, too."""
        for task in self._tasks.values():
            task.cancel()
        for task in self._tasks.values():
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if stop_brokers:
            await asyncio.gather(*(worker.stop_brokers() for worker in self._workers.values()))


def refused_status(cluster: ClusterSpec, why: str, now_ms: int) -> ClusterStatus:
    condition = Condition(
        name=SPEC_REFUSED, status=True, reason="SpecRefused", message=why, since_ms=now_ms
    )
    return ClusterStatus(
        cluster_id=cluster.cluster_id,
        observed_generation=0,
        phase="failed",
        conditions=[condition],
    )
