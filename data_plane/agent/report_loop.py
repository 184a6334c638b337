"""Talking with the control plane: register once, ask for the spec, report, try again when gone.

Nothing here is needed for brokers to serve: they were started from the spec on disk before the
first word is exchanged.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from data_plane.agent.config import AgentConfig, ConfigRefused, Limits, read_token
from data_plane.agent.node import Node
from data_plane.agent.node_agent import NodeAgent
from data_plane.agent.secrets import NodeKeys
from data_plane.agent.specs import SpecRefused
from data_plane.agent.storage import Storage, read_json, write_json
from data_plane.agent.uplink import ControlPlaneGone, ControlPlaneRefused, Uplink
from data_plane.contract.report import NodeRegistration

logger = logging.getLogger(__name__)

RETRY_S_MIN = 0.2
# A node without an id has nothing else to do, and `ottla up` starts it beside the API it waits for.
REGISTRATION_RETRY_S_MAX = 0.5
EMPTY_POLL_S_MIN = 0.5  # a server that answers 304 at once must not be asked in a tight loop
SETTLE_S = 0.005  # changes of one moment travel in one report


class BackOff:
    """Waiting times between attempts: doubled up to a bound, each drawn from its upper half.

    The spread keeps a fleet from calling in step when its control plane comes back.
    """

    def __init__(self, seconds_max: float, rng: random.Random) -> None:
        self._seconds_max = seconds_max
        self._rng = rng
        self._seconds = RETRY_S_MIN

    def next_s(self) -> float:
        wait_s = self._seconds * self._rng.uniform(0.5, 1.0)
        self._seconds = min(self._seconds * 2, self._seconds_max)
        return wait_s

    def reset(self) -> None:
        self._seconds = RETRY_S_MIN


async def registered(
    config: AgentConfig, storage: Storage, keys: NodeKeys, uplink: Uplink, rng: random.Random
) -> str:
    """The node id from disk, or from a registration that is tried until it succeeds.

    The token file is read anew each time, so that an operator can put a fresh one in its place.
    """
    known = read_json(storage.root / "node.json") or {}
    if isinstance(known.get("node_id"), str):
        return str(known["node_id"])
    registration = NodeRegistration(
        name=config.name,
        signing_public_key=keys.signing_public_key,
        sealing_public_key=keys.sealing_public_key,
        advertised_host=config.advertised_host,
        port_first=config.ports.first,
        port_last=config.ports.last,
        rack=config.rack,
    )

    async def attempt() -> str:
        if config.token_file is None:
            raise ConfigRefused("this node is not registered: give --token-file")
        return await uplink.register(registration, read_token(config.token_file))

    node_id = await _until_done("registration", attempt, config.limits, rng)
    write_json(storage.root / "node.json", {"node_id": node_id})
    logger.info("registered as node %s", node_id)
    return node_id


async def _until_done(
    what: str, attempt: Callable[[], Awaitable[str]], limits: Limits, rng: random.Random
) -> str:
    back_off = BackOff(limits.retry_s_max, rng)
    while True:
        try:
            return await attempt()
        except (ControlPlaneGone, ControlPlaneRefused, ConfigRefused) as problem:
            wait_s = back_off.next_s()
            if isinstance(problem, ControlPlaneGone):
                wait_s = min(wait_s, REGISTRATION_RETRY_S_MAX)
            logger.warning("%s: %s; next attempt in %.1f s", what, problem, wait_s)
            await asyncio.sleep(wait_s)


class ReportLoop:
    """Two loops over one uplink: the spec down, the report up."""

    def __init__(
        self,
        agent: NodeAgent,
        uplink: Uplink,
        node: Node,
        rng: random.Random,
    ) -> None:
        self._agent = agent
        self._uplink = uplink
        self._node_id = node.node_id
        self._limits = node.config.limits
        self._changed = node.changed
        self._rng = rng
        self._ask_now = asyncio.Event()  # a report's reply named a newer generation
        self.is_connected = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fetch_specs())
            group.create_task(self._post_reports())

    async def _fetch_specs(self) -> None:
        back_off = BackOff(self._limits.retry_s_max, self._rng)
        while True:
            self._ask_now.clear()
            try:
                await self._fetch_spec()
            except (ControlPlaneGone, ControlPlaneRefused, SpecRefused) as problem:
                wait_s = back_off.next_s()
                logger.warning("spec: %s; next attempt in %.1f s", problem, wait_s)
                await _wait(self._ask_now, wait_s)
            else:
                back_off.reset()

    async def _fetch_spec(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        after = self._agent.generation
        spec = await self._uplink.spec(self._node_id, after, self._limits.spec_wait_s)
        is_new = spec is not None and self._agent.accept(spec)
        if not is_new and loop.time() - began < EMPTY_POLL_S_MIN:
            await _wait(self._ask_now, EMPTY_POLL_S_MIN)

    async def _post_reports(self) -> None:
        back_off = BackOff(self._limits.retry_s_max, self._rng)
        while True:
            self._changed.clear()
            report = self._agent.report()
            try:
                reply = await self._uplink.report(report)
            except (ControlPlaneGone, ControlPlaneRefused) as problem:
                self.is_connected = False
                wait_s = back_off.next_s()
                logger.warning("report: %s; next attempt in %.1f s", problem, wait_s)
                await asyncio.sleep(wait_s)
                continue
            back_off.reset()
            self.is_connected = True
            self._agent.reported(report)
            if reply.latest_generation > self._agent.generation:
                self._ask_now.set()
            await _wait(self._changed, self._limits.report_interval_s)
            await asyncio.sleep(SETTLE_S)


async def _wait(event: asyncio.Event, seconds_max: float) -> None:
    try:
        async with asyncio.timeout(seconds_max):
            await event.wait()
    except TimeoutError:
        return
