"""`ottla kafka:topics:destroy TOPIC`."""

import click

from control_plane.cli.command import (
    Cli,
    app_option,
    confirm_by_name,
    confirm_option,
    resolve_addon,
)
from control_plane.cli.command import command as declare


@declare("kafka:topics:destroy")
@click.argument("topic")
@click.argument("addon", required=False)
@app_option
@confirm_option
def command(cli: Cli, topic: str, addon: str | None, app: str | None, confirm: str | None) -> None:
    """Destroy a topic with all its records."""
    found = resolve_addon(cli, app, addon)
    confirm_by_name(topic, confirm, f"This destroys topic {topic} of {found['name']}.")
    path = f"/data/kafka/v0/clusters/{found['id']}/topics/{topic}"
    reply = cli.platform.delete(path, {"topic_name": topic})
    cli.show(
        reply or {"name": topic, "status": "deleted"},
        lambda: click.echo(f"Topic {topic} is marked for deletion"),
    )
