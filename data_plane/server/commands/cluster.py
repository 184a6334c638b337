"""`ottla-broker cluster`: several brokers on this machine, in the foreground."""

import asyncio
import signal
import sys
from pathlib import Path
from random import SystemRandom
from typing import Any, NoReturn

import click

from data_plane.broker.startup import new_id
from data_plane.log.failures import DirectoryRefused
from data_plane.log.files import DiskFiles
from data_plane.server.cluster_plan import (
    FIRST_VOTERS_MAX,
    LOCK_NAME,
    ClusterPlan,
    Member,
    PlanRefused,
    open_plan,
    socket_directory,
)
from data_plane.server.cluster_supervisor import BrokerEnded, Supervisor, broker_document
from data_plane.server.common_config import read_common, with_common
from data_plane.server.config_file import ConfigRefused
from data_plane.server.people import PEOPLE_CONFIGS

EXIT_CANNOT_CREATE = 73
EXIT_DIRECTORY_REFUSED = 75
EXIT_CONFIG = 78
BROKERS_MAX = 100


@click.command("cluster")
@click.option("--brokers", type=click.IntRange(1, BROKERS_MAX), default=3, show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to bind.")
@click.option(
    "--base-port",
    type=click.IntRange(1, 65535 - BROKERS_MAX),
    default=9092,
    show_default=True,
    help="Broker i listens on this port plus i.",
)
@click.option("--advertise", default="", help="Host name clients are told.  [default: --host]")
@click.option("--auto-create-topics", is_flag=True, help="Create topics that clients name.")
@click.option("--default-partitions", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65535 - BROKERS_MAX),
    help="GET /metrics and /ready of broker i, on loopback and this port plus i.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="JSON for all brokers: static_configs, more listeners (port of broker 0) ...",
)
def cluster(
    brokers: int,
    data_dir: Path,
    host: str,
    base_port: int,
    advertise: str,
    auto_create_topics: bool,
    default_partitions: int,
    metrics_port: int | None,
    config_file: Path | None,
) -> None:
    """Run a cluster until SIGTERM.

    Prints `broker I HOST:PORT` for each broker that serves, and `ready` when all do. A broker that
    dies is started again. With more --brokers than before the cluster grows. Plaintext is served on
    loopback only, where everybody is super user.
    """
    if metrics_port is not None and abs(metrics_port - base_port) < brokers:
        raise click.UsageError("--metrics-port and --base-port ask for the same ports")
    files, rng = DiskFiles(), SystemRandom()
    try:
        asked = {} if config_file is None else read_common(config_file)
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = files.lock(data_dir / LOCK_NAME)
        plan = open_plan(data_dir, files, brokers, lambda: new_id(rng))
        sockets = socket_directory(data_dir)
    except ConfigRefused as error:
        refuse(str(error), EXIT_CONFIG)
    except (DirectoryRefused, PlanRefused) as error:
        refuse(str(error), EXIT_DIRECTORY_REFUSED)
    except OSError as error:
        refuse(f"cannot use {data_dir}: {error.strerror}", EXIT_CANNOT_CREATE)
    replication_factor = min(FIRST_VOTERS_MAX, brokers)
    common = {
        "auto_create_topics": auto_create_topics,
        "default_partitions": default_partitions,
        "static_configs": {
            **PEOPLE_CONFIGS,
            "default.replication.factor": str(replication_factor),
        },
    }

    def document_of(plan: ClusterPlan, member: Member) -> dict[str, Any]:
        document = broker_document(
            plan,
            member,
            host=host,
            base_port=base_port,
            advertise=advertise,
            sockets=sockets,
            common=common,
            metrics_port=metrics_port,
        )
        return with_common(document, asked, member.broker_id)

    if advertise not in ("", host):
        click.echo(f"clients are told {advertise}:{base_port} to {base_port + brokers - 1}")

    async def whole() -> None:
        supervisor = Supervisor(
            plan,
            files,
            document_of=document_of,
            say=click.echo,
            new_id=lambda: new_id(rng),
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, supervisor.stop)
        await supervisor.run()

    try:
        asyncio.run(whole())
    except BrokerEnded as error:
        refuse(str(error), error.exit_code if error.exit_code > 0 else 1)
    finally:
        lock.release()


def refuse(text: str, exit_code: int) -> NoReturn:
    click.echo(f"ottla-broker: {text}", err=True)
    sys.exit(exit_code)
