"""`ottla-broker`: run one broker, from options for people or a file for agents."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from data_plane.broker.config import BrokerConfig, ListenerConfig
from data_plane.security.principals import ANONYMOUS
from data_plane.server.cluster_plan import PlanRefused, check_alone
from data_plane.server.config_file import ConfigRefused, read_config
from data_plane.server.people import PEOPLE_CONFIGS

EXIT_UNAVAILABLE = 69  # a port is taken, a listener cannot be had
EXIT_DAMAGED = 65
EXIT_CANNOT_CREATE = 73
EXIT_IO_FAILURE = 74
EXIT_DIRECTORY_REFUSED = 75
EXIT_CONFIG = 78

OTHERS = {  # Imported when they are called: a broker's start needs none of them.
    "cluster": ("cluster", "cluster"),
    "dump-log": ("dump_log", "dump_log"),
    "group-offsets": ("group_offsets", "group_offsets"),
    "verify-log-dir": ("verify_log_dir", "verify_log_dir"),
}


class Commands(click.Group):
    """`run`, `cluster`, and what looks at a data directory."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """A signal that comes while modules are imported ends the process cleanly: nothing is open.

        What serves takes the signals over.
        """
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            return super().main(*args, **kwargs)
        finally:
            signal.signal(signal.SIGTERM, before)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *OTHERS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in OTHERS:
            return super().get_command(ctx, cmd_name)
        module, name = OTHERS[cmd_name]
        command: click.Command = getattr(
            import_module(f"data_plane.server.commands.{module}"), name
        )
        return command


@click.group(cls=Commands)
def main() -> None:
    """A Kafka broker in plain Python."""


@main.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="JSON file; alone.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where the data is kept.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to bind.")
@click.option("--port", type=click.IntRange(0, 65535), default=9092, show_default=True)
@click.option("--advertise", default="", help="Host name clients are told.  [default: --host]")
@click.option("--auto-create-topics", is_flag=True, help="Create topics that clients name.")
@click.option("--default-partitions", type=click.IntRange(1), default=1, show_default=True)
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="GET /metrics, on loopback.")
@click.option("--verbose", is_flag=True, help="Log more.")
@click.option("--fault-seams", type=click.Path(path_type=Path), hidden=True)  # tests only
def run(
    config_file: Path | None,
    data_dir: Path | None,
    host: str,
    port: int,
    advertise: str,
    auto_create_topics: bool,
    default_partitions: int,
    metrics_port: int | None,
    verbose: bool,
    fault_seams: Path | None,
) -> None:
    """Serve until SIGTERM; prints `ready HOST:PORT` once requests are answered.

    Plaintext is served on loopback only, where everybody is super user.
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        stream=sys.stderr,
        format="time=%(asctime)s level=%(levelname)s logger=%(name)s message=%(message)r",
    )
    if (config_file is None) == (data_dir is None):
        raise click.UsageError("give either --data-dir or --config")
    if config_file is not None:
        try:
            config = read_config(config_file)
        except ConfigRefused as error:
            refuse(str(error), EXIT_CONFIG)
    else:
        assert data_dir is not None, "one of the two was given"
        try:
            check_alone(data_dir)
        except PlanRefused as error:
            refuse(str(error), EXIT_DIRECTORY_REFUSED)
        config = BrokerConfig(
            data_dir=data_dir,
            listeners=(ListenerConfig("PLAINTEXT", host, port, advertise),),
            super_users=frozenset({ANONYMOUS}),
            metrics_port=metrics_port,
            auto_create_topics=auto_create_topics,
            default_partitions=default_partitions,
            static_configs=PEOPLE_CONFIGS,
        )
    serve(config, fault_seams, advertise)


def serve(config: BrokerConfig, fault_seams: Path | None = None, advertise: str = "") -> None:
    """Run the process; a refusal ends it with one line on stderr and its own exit code."""
    from data_plane.log.failures import DamagedLog, DirectoryRefused, LogFailure
    from data_plane.peers.addresses import AddressRefused
    from data_plane.protocol.errors import InvalidConfig
    from data_plane.server.listener import ListenerRefused
    from data_plane.server.process import BrokerProcess
    from data_plane.server.seams import read_seams
    from data_plane.server.tls import TlsRefused

    async def whole() -> None:
        seams = None if fault_seams is None else read_seams(fault_seams)
        await BrokerProcess(config, seams).run(
            lambda host, port: announce(host, port, advertise or host)
        )

    try:
        run_loop(whole)
    except (ListenerRefused, AddressRefused) as error:
        refuse(str(error), EXIT_UNAVAILABLE)
    except DirectoryRefused as error:
        refuse(str(error), EXIT_DIRECTORY_REFUSED)
    except (TlsRefused, InvalidConfig) as error:
        refuse(str(error), EXIT_CONFIG)
    except DamagedLog as error:
        refuse(f"the metadata log is damaged: {error}", EXIT_DAMAGED)
    except LogFailure as error:
        refuse(f"storage failed: {error}", EXIT_IO_FAILURE)
    except OSError as error:
        refuse(f"cannot use {config.data_dir}: {error.strerror}", EXIT_CANNOT_CREATE)


def run_loop(whole: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """uvloop where it is installed: TLS takes a tenth of the memory there (performance.md 7)."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(whole())
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(whole())


def announce(host: str, port: int, told: str = "") -> None:
    """told: the host that clients are told, which they must be able to reach."""
    click.echo(f"ready {address(host, port)}")
    if told not in ("", host):
        click.echo(f"clients are told {address(told, port)}")


def address(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host  # RFC 3986: an IPv6 address stands in brackets
    return f"{shown}:{port}"


def refuse(text: str, exit_code: int) -> NoReturn:
    click.echo(f"ottla-broker: {text}", err=True)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
