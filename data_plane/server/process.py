"""The broker process: bind, open, serve, stop. Exit codes after sysexits.h."""

import asyncio
import ctypes
import itertools
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import SystemRandom
from types import FrameType

from data_plane.broker.admin_access import broker_number, config_scope
from data_plane.broker.broker import Broker
from data_plane.broker.config import BrokerConfig
from data_plane.broker.gauges import metrics_text
from data_plane.broker.loop_lag import LoopLag
from data_plane.broker.membership import MembershipEnded
from data_plane.broker.startup import (
    StartAbandoned,
    cluster_id_of,
    open_broker,
    open_log_dir,
    recovered,
)
from data_plane.log.failures import LogFailure
from data_plane.log.log_dir import LogDir
from data_plane.metadata.configs import BROKER_CONFIGS
from data_plane.metadata.records import BrokerListener
from data_plane.protocol.errors import StorageError
from data_plane.server import collector
from data_plane.server.cleaner_process import ProcessCleaner
from data_plane.server.executor import ThreadExecutor
from data_plane.server.joining import join_cluster
from data_plane.server.lag_probe import LagProbe
from data_plane.server.listener import Connections, Listener
from data_plane.server.metrics_endpoint import Page, open_metrics
from data_plane.server.peer_network import PeerNetwork
from data_plane.server.quorum_thread import QuorumThread
from data_plane.server.sasl_secret import sasl_secret
from data_plane.server.seams import Seams
from data_plane.server.software import own_version
from data_plane.server.stop_signals import RELOAD, STOP_TOGETHER
from data_plane.server.ticker import Ticker
from data_plane.server.tls import TlsRefused
from data_plane.server.turns import Turns, nothing

log = logging.getLogger(__name__)

EXIT_SOFTWARE = 70
EXIT_IO_FAILURE = 74
EXIT_NO_PLACE = 77  # another has this one's place, or the cluster refuses it
OPEN_FILES_WANTED = 65_536
SWITCH_INTERVAL_S = 0.0005  # a sync that has ended must not wait 5 ms for a busy loop
CLOSING_SECONDS_MAX = 5.0
CLOSING_TOGETHER_SECONDS_MAX = 1.0  # What waits for others waits in vain: they stop as well.
HAND_OVER_SECONDS_MAX = 30.0  # Without a controller that answers it is three (membership.py).
SWEEP_SECONDS = 2.5
SWEEPS_PER_SHRINK = 12
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt's numbers, malloc.h
BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


class BrokerProcess:
    """One broker and everything around it; `run` returns when it was told to stop."""

    def __init__(self, config: BrokerConfig, seams: Seams | None = None) -> None:
        self._seams = seams or Seams()
        if self._seams.ottla_version_max is not None:
            config = replace(config, ottla_version_max=self._seams.ottla_version_max)
        self._config = config
        self._files = self._seams.files
        self._rng = SystemRandom()
        self._clock = self._seams.clock
        self._stop = asyncio.Event()
        self._is_told_to_stop = False  # at once, where the loop is busy with the start
        self._is_stop_of_all = False
        self._listeners: list[Listener] = []
        self._network: PeerNetwork | None = None  # None: a broker alone
        self._quorum: QuorumThread | None = None  # None: the quorum is this broker alone
        self._is_ready = False
        self._lags: dict[str, LoopLag] = {}  # by loop

    async def run(self, announce: Callable[[str, int], None]) -> None:
        """Serve until a signal of stop_signals.py, then stop cleanly.

        announce: called with host and port of the first listener once requests are answered.
        Raises ListenerRefused, DirectoryRefused, DamagedLog, LogFailure, TlsRefused.
        """
        loop = asyncio.get_running_loop()
        self._connections = Connections(self._config.limits, loop)
        self._heed_signals(loop)
        prepare_process()
        root = self._config.data_dir
        config = replace(
            self._config,
            cluster_id=cluster_id_of(self._config, self._files, root, self._rng),
        )
        listeners = self._listeners = [
            Listener(one, cluster_id=config.cluster_id) for one in config.listeners
        ]
        try:
            executor = ThreadExecutor(loop)
            cleaner = ProcessCleaner(loop, cleaner_rate(config))
            open_it = self._join if config.is_clustered else self._open_alone
            broker = await open_it(config, executor, cleaner, listeners)
            if broker is None:
                return
            broker.quotas.stopwatch_ns = time.thread_time_ns
            turns = Turns(broker, self._clock)
            executor.after = cleaner.after = turns.end
            if self._quorum is not None:
                self._quorum.front.after = turns.end
            if self._network is not None:
                self._network.attach(turns)
            await self._serve(broker, turns, executor, listeners, announce)
        except StartAbandoned:
            log.info("told to stop before all logs were recovered")
        finally:
            for one in listeners:
                one.close()
            if self._network is not None:
                self._network.close()

    def _peer_network(self, config: BrokerConfig) -> PeerNetwork | None:
        if config.internal_listener is None:
            return None
        return PeerNetwork(
            config.internal_listener,
            broker_id=config.broker_id,
            cluster_id=config.cluster_id,
            limits=config.limits,
            loop=asyncio.get_running_loop(),
        )

    async def _open_alone(
        self,
        config: BrokerConfig,
        executor: ThreadExecutor,
        cleaner: ProcessCleaner,
        listeners: Sequence[Listener],
    ) -> Broker:
        """A broker that is its own quorum, on this loop."""
        broker = open_broker(
            config,
            self._files,
            executor,
            listeners=tuple(one.advertised for one in listeners),
            rng=self._rng,
            now_ms=self._clock.now_ms(),
            boot_id=self._boot_id,
            on_failure=lambda error: self._fail(broker.log_dir, error),
            cleaner=cleaner,
            is_stopped=lambda: self._is_told_to_stop,
        )
        return broker

    async def _join(
        self,
        config: BrokerConfig,
        executor: ThreadExecutor,
        cleaner: ProcessCleaner,
        listeners: Sequence[Listener],
    ) -> Broker | None:
        """A broker among others; None if it was told to stop before it was registered."""
        config, log_dir = open_log_dir(config, self._files, rng=self._rng, boot_id=self._boot_id)
        try:
            # Behind the directory's lock: a second copy must not take over the first one's sockets.
            self._network = self._peer_network(config)
            self._quorum = await join_cluster(
                config,
                self._files,
                log_dir,
                listeners=advertised(listeners, self._network),
                rng=self._rng,
                stop=self._stop,
                on_failure=lambda error: self._fail(log_dir, error),
            )
            if self._quorum is None:
                log_dir.close(is_clean=False)
                return None
            return recovered(
                config,
                log_dir,
                self._quorum.front,
                executor,
                rng=self._rng,
                now_ms=self._clock.now_ms(),
                on_failure=lambda error: self._fail(log_dir, error),
                cleaner=cleaner,
                peers=None if self._network is None else self._network.peers,
                is_stopped=lambda: self._is_told_to_stop,
            )
        except BaseException as error:
            if self._quorum is not None and self._is_told_to_stop:
                self._quorum.stop()
            log_dir.abandon(error)
            raise

    @property
    def _boot_id(self) -> str:
        given = self._seams.boot_id
        return boot_id(self._config.data_dir) if given is None else given

    def _heed_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """SIGTERM and SIGINT stop, STOP_TOGETHER as well, RELOAD reads certificates anew.

        The handlers outlive the loop, so that a second signal does not break a clean stop.
        """

        def stop(number: int, _frame: FrameType | None) -> None:
            self._is_told_to_stop = True
            self._is_stop_of_all |= number == STOP_TOGETHER
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._stop.set)

        def reload(_number: int, _frame: FrameType | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._reload)

        for number in (signal.SIGTERM, signal.SIGINT, STOP_TOGETHER):
            signal.signal(number, stop)
        signal.signal(RELOAD, reload)

    def _reload(self) -> None:
        """A listener whose new files cannot be used goes on with the old ones."""
        for one in self._listeners:
            try:
                one.reload()
            except TlsRefused as error:
                log.error("listener %s keeps its certificate: %s", one.config.name, error)
            else:
                log.info("listener %s has read its certificate anew", one.config.name)
        if self._network is not None:
            try:
                self._network.reload()
            except TlsRefused as error:
                log.error("the listener for brokers keeps its certificate: %s", error)
        if self._quorum is not None:
            self._quorum.reload()

    async def _serve(
        self,
        broker: Broker,
        turns: Turns,
        executor: ThreadExecutor,
        listeners: list[Listener],
        announce: Callable[[str, int], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        ticker = Ticker(turns, loop)
        probe = LagProbe(self._lags.setdefault("broker", LoopLag()))
        probe.start(loop)
        if self._quorum is not None:
            self._lags["quorum"] = self._quorum.lag
        turns.after = ticker.after_turn
        turns.end()
        metrics = None
        if self._config.metrics_port is not None:
            metrics = await open_metrics(self._config.metrics_port, self._pages(broker))
        secret = b""
        if any(one.config.sasl is not None for one in listeners):
            secret = sasl_secret(self._files, self._config.data_dir, self._rng)
        if self._network is not None:
            await self._network.open(turns)
        for one in listeners:
            await one.open(turns, self._config.limits, self._connections, secret)
        if self._quorum is not None and not await self._let_in(self._quorum):
            log.info("told to stop before the cluster let this broker in")
        collector.freeze()
        self._is_ready = True
        log.info(
            "broker %d of cluster %s serves %s after %s",
            broker.config.broker_id,
            broker.cluster_id,
            ", ".join(f"{one.config.name}://{one.host}:{one.port}" for one in listeners),
            broker.log_dir.restart_kind.value,
        )
        told = [one.advertised for one in listeners]
        log.info("clients are told %s", ", ".join(f"{x.name}://{x.host}:{x.port}" for x in told))
        announce(listeners[0].host, listeners[0].port)
        sweeping = loop.create_task(self._sweep(broker))
        await self._stop.wait()
        log.info("stopping")
        if self._quorum is not None and self._is_stop_of_all:
            self._quorum.end_with_all()
        elif self._quorum is not None:
            await self._hand_over(self._quorum)
        self._is_ready = False
        sweeping.cancel()
        probe.stop()
        if metrics is not None:
            metrics.close()
        for one in listeners:
            one.close()
        await self._close(broker, turns, ticker, executor)

    async def _let_in(self, quorum: QuorumThread) -> bool:
        """Say that this broker serves, and wait until it may lead; False if it is to stop."""
        quorum.ask_in()
        waits = [asyncio.ensure_future(one.wait()) for one in (quorum.let_in, self._stop)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()
        return not self._stop.is_set()

    async def _hand_over(self, quorum: QuorumThread) -> None:
        """Serve on until others lead what this broker led, or stop as well (durability.md 9)."""
        quorum.ask_out()
        try:
            await asyncio.wait_for(quorum.may_stop.wait(), HAND_OVER_SECONDS_MAX)
        except TimeoutError:
            log.warning("no controller let this broker go; it stops all the same")
        if quorum.is_stop_of_all:
            log.info("all brokers of the cluster stop, as one")
            self._is_stop_of_all = True

    async def _close(
        self, broker: Broker, turns: Turns, ticker: Ticker, executor: ThreadExecutor
    ) -> None:
        """Finish what was accepted, sync, mark the directory clean."""
        drained = asyncio.Event()
        ticker.stop()
        turns.after = lambda _now_ms: drained.set() if broker.is_idle else None
        turns.end()
        together = self._is_stop_of_all
        with suppress(TimeoutError):
            seconds_max = CLOSING_TOGETHER_SECONDS_MAX if together else CLOSING_SECONDS_MAX
            await asyncio.wait_for(drained.wait(), seconds_max)
        turns.after = nothing
        self._connections.close_all()
        if self._network is not None:
            self._network.close()
        await asyncio.sleep(0)
        if self._quorum is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._quorum.stop)
        executor.close()
        await asyncio.sleep(0)  # A sync that was under way may have failed; that ends the process.
        broker.close()
        log.info("stopped cleanly")

    async def _sweep(self, broker: Broker) -> None:
        """Look after idle connections, the buffers that a burst left behind, and garbage."""
        collections = collector.FullCollections(time.monotonic, time.process_time)
        for count in itertools.count(1):
            await asyncio.sleep(SWEEP_SECONDS)
            idle_ms_max = broker_number(
                config_scope(broker, broker.image), "connections.max.idle.ms"
            )
            self._connections.look_at_idle(self._clock.now_ms(), idle_ms_max)
            if count % SWEEPS_PER_SHRINK == 0:
                self._connections.shrink_idle()
            collections.look()

    def _pages(self, broker: Broker) -> dict[str, Page]:
        def metrics() -> tuple[int, str]:
            text = metrics_text(
                broker,
                connections=len(self._connections),
                resident_bytes=resident_bytes(),
                lags=self._lags,
            )
            return 200, text

        def ready() -> tuple[int, str]:
            said = f"ready {self._seams.software_version or own_version()}\n"
            return (200, said) if self._is_ready else (503, "not ready\n")

        return {"/metrics": metrics, "/ready": ready}

    def _fail(self, log_dir: LogDir, error: BaseException) -> None:
        """End at once, before anything is acknowledged; failed storage is marked as such."""
        words, exit_code = last_words(error)
        log.critical("%s", words)
        if isinstance(error, LogFailure):
            log_dir.mark_failure(error)
        logging.shutdown()
        os._exit(exit_code)


def last_words(error: BaseException) -> tuple[str, int]:
    """What an operator reads when a broker ends by itself, and its exit code."""
    if isinstance(error, MembershipEnded):
        return f"the cluster has no place for this broker, ending: {error}", EXIT_NO_PLACE
    if isinstance(error, LogFailure | StorageError | OSError):
        return f"storage failed, ending: {error}", EXIT_IO_FAILURE
    return f"a fault in the broker, ending: {type(error).__name__}: {error}", EXIT_SOFTWARE


def advertised(
    listeners: Sequence[Listener], network: PeerNetwork | None
) -> tuple[BrokerListener, ...]:
    """What this broker's registration says: where clients find it, and where other brokers do."""
    own = tuple(one.advertised for one in listeners)
    return own if network is None else (*own, network.advertised)


def cleaner_rate(config: BrokerConfig) -> float:
    """What compaction may read and write, bytes per second."""
    key = BROKER_CONFIGS["log.cleaner.io.max.bytes.per.second"]
    return float(config.static_configs.get(key.name, key.default or 0))


def prepare_process() -> None:
    """Raise the limit of open files and let threads hand over sooner."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    collector.begin()
    keep_large_blocks()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else min(OPEN_FILES_WANTED, hard)
    if soft < wanted:
        with suppress(OSError, ValueError):  # Not allowed here: serve with what there is.
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def keep_large_blocks() -> None:
    """Have glibc reuse blocks of up to 32 MB: a mapping for each fetch costs four times more."""
    with suppress(OSError, AttributeError):  # Another C library has its own ways.
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024)
        libc.mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024)


def boot_id(root: Path) -> str:
    """Which boot of the machine and which mount this is, or "" where nobody knows."""
    try:
        boot = BOOT_ID_FILE.read_text().strip()
        existing = next(path for path in (root, *root.parents) if path.exists())
        return f"{boot}/{os.stat(existing).st_dev}"
    except OSError:
        return ""


def resident_bytes() -> int:
    """Resident memory of this process, 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()
