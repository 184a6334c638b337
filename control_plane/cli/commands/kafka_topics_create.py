"""`ottla kafka:topics:create TOPIC`."""

from typing import Any

import click

from control_plane.cli import output
from control_plane.cli.command import Cli, app_option, resolve_addon
from control_plane.cli.command import command as declare
from control_plane.cli.waiting import timeout_option, wait_for_topic
from control_plane.domain.durations import parse_ms
from control_plane.domain.errors import Invalid


@declare("kafka:topics:create")
@click.argument("topic")
@click.argument("addon", required=False)
@app_option
@click.option("--partitions", type=int, help="Number of partitions (default: the plan's).")
@click.option("--replication-factor", type=int, help="Copies of each partition.")
@click.option("--retention-time", metavar="TIME", help="How long to keep records: 10d, 36h, 90m.")
@click.option("--compaction", is_flag=True, help="Keep the last record of each key.")
@click.option("--no-wait", is_flag=True, help="Return before the brokers have it.")
@timeout_option
def command(
    cli: Cli,
    topic: str,
    addon: str | None,
    app: str | None,
    partitions: int | None,
    replication_factor: int | None,
    retention_time: str | None,
    compaction: bool,
    no_wait: bool,
    timeout_s: float,
) -> None:
    """Create a topic and wait until the brokers have it."""
    found = resolve_addon(cli, app, addon)
    wanted: dict[str, Any] = {"name": topic, "compaction": compaction}
    if partitions is not None:
        wanted["partition_count"] = partitions
    if replication_factor is not None:
        wanted["replication_factor"] = replication_factor
    if retention_time is not None:
        wanted["retention_time_ms"] = milliseconds(retention_time)
    cli.platform.post(f"/data/kafka/v0/clusters/{found['id']}/topics", {"topic": wanted})
    created = wanted if no_wait else wait_for_topic(cli, found, topic, timeout_s)

    def text() -> None:
        click.echo(f"Created topic {topic}" if not no_wait else f"Creating topic {topic}")
        output.hint(f"Next: ottla kafka:topics:write {topic} hello --app {found['app']['name']}")

    cli.show(created, text)


def milliseconds(text: str) -> int:
    """A duration such as 10d as milliseconds; a wrong one is a usage error that names the form."""
    try:
        return parse_ms(text)
    except Invalid as problem:
        raise click.BadParameter(str(problem), param_hint="--retention-time") from problem
