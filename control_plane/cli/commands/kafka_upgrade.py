"""`ottla kafka:upgrade [ADDON] [--version V]`: the software of its nodes, broker by broker."""

import click

from control_plane.cli import output
from control_plane.cli.command import (
    Cli,
    app_option,
    confirm_by_name,
    confirm_option,
    resolve_addon,
)
from control_plane.cli.command import command as declare
from control_plane.cli.waiting import timeout_option, wait_for_cluster


@declare("kafka:upgrade")
@click.argument("addon", required=False)
@app_option
@confirm_option
@click.option("--version", metavar="V", help="The version; without it what its nodes have.")
@click.option("--wait", is_flag=True, help="Return when every broker runs it.")
@timeout_option
def command(
    cli: Cli,
    addon: str | None,
    app: str | None,
    confirm: str | None,
    version: str | None,
    wait: bool,
    timeout_s: float,
) -> None:
    """Restart a cluster's brokers with other software, one after the other; it serves on."""
    found = resolve_addon(cli, app, addon)
    name = found["name"]
    confirm_by_name(name, confirm, f"This upgrades {name}; there is no way back once it is done.")
    path = f"/data/kafka/v0/clusters/{found['id']}/upgrade"
    reply = cli.platform.put(path, {"version": version})
    operation = reply["operation"]
    if wait and operation is not None:
        wait_for_cluster(cli, found, timeout_s)

    def text() -> None:
        if operation is None or wait:
            click.echo(f"{name} runs {reply['version']}")
        else:
            click.echo(reply["message"])
            output.hint(f"Wait for it: ottla kafka:wait {name}")

    cli.show(reply, text)
