"""`ottla-agent`: one per machine; runs the brokers the control plane wants here."""

import asyncio
import contextlib
import logging
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from data_plane.agent.config import AgentConfig, ConfigRefused, PortRange, checked_url
from data_plane.agent.engines.base import Engine
from data_plane.agent.engines.embedded import EmbeddedEngine
from data_plane.agent.kafka_admin import AdminAccess, KafkaAdmin
from data_plane.agent.metrics import SampleNumbers, SampleQueue
from data_plane.agent.node import ClosableAdmin, Node
from data_plane.agent.node_agent import NodeAgent
from data_plane.agent.ports import PortBook
from data_plane.agent.report_loop import ReportLoop, registered
from data_plane.agent.secrets import KeyFileRefused, NodeKeys
from data_plane.agent.status import StatusServer
from data_plane.agent.stop import stop_all
from data_plane.agent.storage import DirectoryInUse, Storage, write_atomically, write_json
from data_plane.agent.uplink import Uplink

logger = logging.getLogger(__name__)

ADMIN_THREADS = 8
DEFAULT_PORTS = "20000-20999"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@click.group(invoke_without_command=True, context_settings={"auto_envvar_prefix": "OTTLA_AGENT"})
@click.option("--data-dir", type=click.Path(path_type=Path), help="Keys, spec, brokers' data.")
@click.option("--control-plane", help="Address of the control plane, https://HOST[:PORT].")
@click.option("--ca-file", type=click.Path(path_type=Path), help="CA of its certificate, PEM.")
@click.option("--name", default=socket.gethostname, help="This node's name; default: host name.")
@click.option("--advertise", default="127.0.0.1", help="Host name clients reach this node by.")
@click.option("--bind", help="Address client listeners bind; default: all, or loopback.")
@click.option("--ports", default=DEFAULT_PORTS, show_default=True, help="For client listeners.")
@click.option("--rack", help="Failure zone of this node.")
@click.option("--token-file", type=click.Path(path_type=Path), help="One-time token, mode 0600.")
@click.option("--status-port", type=int, default=0, help="Loopback port; 0: any, see status.json.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Written once registered.")
@click.option("--stop-brokers-on-exit", is_flag=True, help="SIGTERM stops the brokers, too.")
@click.pass_context
def main(
    context: click.Context,
    *,
    data_dir: Path | None,
    control_plane: str | None,
    ca_file: Path | None,
    name: str,
    advertise: str,
    bind: str | None,
    ports: str,
    rack: str | None,
    token_file: Path | None,
    status_port: int,
    ready_file: Path | None,
    stop_brokers_on_exit: bool,
) -> None:
    """Run this machine's brokers as the control plane wants them, and report back."""
    if context.invoked_subcommand is not None:
        return
    if data_dir is None or control_plane is None:
        raise click.UsageError("--data-dir and --control-plane are needed.")
    try:
        config = AgentConfig(
            data_dir=data_dir,
            control_plane_url=checked_url(control_plane),
            name=name,
            advertised_host=advertise,
            ports=PortRange.parse(ports),
            ca_file=ca_file,
            token_file=token_file,
            ready_file=ready_file,
            bind=bind,
            rack=rack,
            status_port=status_port,
            stop_brokers_on_exit=stop_brokers_on_exit,
        )
        _log_to_stderr()
        asyncio.run(run(config))
    except (ConfigRefused, DirectoryInUse, KeyFileRefused, OSError) as problem:
        raise click.ClickException(str(problem)) from None


@main.command()
@click.option("--data-dir", type=click.Path(path_type=Path), required=True)
def stop(data_dir: Path) -> None:
    """Stop the brokers of a data directory whose agent is gone."""
    try:
        stopped = asyncio.run(stop_all(Storage(data_dir)))
    except (DirectoryInUse, OSError) as problem:
        raise click.ClickException(str(problem)) from None
    if stopped:
        click.echo(f"stopped {stopped} broker{'s' if stopped > 1 else ''}; data kept")


@dataclass(frozen=True, slots=True)
class Tools:
    """What the agent works with; tests put scripted twins in their place."""

    engines: Mapping[str, Engine] = field(default_factory=lambda: {"embedded": EmbeddedEngine()})
    connect_admin: Callable[[AdminAccess], ClosableAdmin] = KafkaAdmin


async def run(config: AgentConfig, tools: Tools | None = None) -> None:
    """Until SIGTERM or SIGINT. Raises DirectoryInUse, KeyFileRefused, OSError."""
    storage = Storage(config.data_dir)
    storage.lock()
    uplink: Uplink | None = None
    try:
        keys = NodeKeys.load_or_create(storage.root)
        uplink = Uplink(config.control_plane_url, config.ca_file, keys, now_ms)
        with _stop_requests() as stop_requested:
            await _until(
                _serve(config, storage, keys, uplink, tools=tools or Tools()), stop_requested
            )
    finally:
        if uplink is not None:
            await uplink.close()
        storage.unlock()


async def _serve(
    config: AgentConfig, storage: Storage, keys: NodeKeys, uplink: Uplink, *, tools: Tools
) -> None:
    rng = random.SystemRandom()
    node_id = await registered(config, storage, keys, uplink, rng)
    with ThreadPoolExecutor(ADMIN_THREADS, "admin") as threads:
        threads.submit(_warm_up)
        node = Node(
            config=config,
            node_id=node_id,
            storage=storage,
            keys=keys,
            ports=PortBook(config.ports, config.bind_host),
            samples=SampleQueue(SampleNumbers(storage, now_ms()), config.limits.samples_max),
            engines=tools.engines,
            connect_admin=tools.connect_admin,
            threads=threads,
            now_ms=now_ms,
        )
        agent = NodeAgent(node)
        agent.start()
        loop = ReportLoop(agent, uplink, node, rng)
        status = StatusServer(
            lambda: {
                **agent.report().model_dump(exclude={"samples"}),
                "is_connected": loop.is_connected,
                "samples_waiting": len(node.samples),
            }
        )
        try:
            port = await status.start(config.status_port)
            write_json(storage.root / "status.json", {"port": port})
            if config.ready_file is not None:
                write_atomically(config.ready_file, node_id.encode())
            await loop.run()
        finally:
            await status.close()
            await agent.stop(config.stop_brokers_on_exit)


def _warm_up() -> None:
    """Import the Kafka client while the first broker starts, not while someone waits for it."""
    import kafka.admin  # noqa: F401 - importing it is the work


@contextlib.contextmanager
def _stop_requests() -> Iterator[asyncio.Event]:
    requested = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, requested.set)
    try:
        yield requested
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _until(work: Coroutine[Any, Any, None], stop_requested: asyncio.Event) -> None:
    """Run `work` until it fails or a stop is requested; the stop is then seen through."""
    task = asyncio.create_task(work)
    stopping = asyncio.create_task(stop_requested.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line per request is no news


if __name__ == "__main__":
    main()
