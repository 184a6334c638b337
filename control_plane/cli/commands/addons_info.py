"""`ottla addons:info`: state, price, cost so far, and why it failed if it did."""

from typing import Any

import click

from control_plane.cli import output
from control_plane.cli.command import Cli, app_option, resolve_addon
from control_plane.cli.command import command as declare


@declare("addons:info")
@click.argument("addon", required=False)
@app_option
def command(cli: Cli, addon: str | None, app: str | None) -> None:
    """Show an add-on: state, plan, price, attachments and cost so far."""
    found = resolve_addon(cli, app, addon)
    usage = cli.platform.get(f"/addons/{found['id']}/usage")
    attachments = cli.platform.list_all(f"/addons/{found['id']}/addon-attachments")
    cli.show(
        {**found, "usage": usage, "attachments": attachments},
        lambda: _print(found, usage, attachments),
    )


def _print(addon: dict[str, Any], usage: dict[str, Any], attachments: list[Any]) -> None:
    output.heading(addon["name"])
    output.fields(
        [
            ("Attachments", ", ".join(f"{a['app']['name']}::{a['name']}" for a in attachments)),
            ("Created", addon["created_at"]),
            ("Owning app", addon["app"]["name"]),
            ("Plan", addon["plan"]["name"] + (" (being changed)" if addon["changing_to"] else "")),
            ("Price", output.price(addon["plan"]["price"])),
            ("Cost so far", output.money(usage["amount_micros"], usage["currency"])),
            ("State", addon["state"]),
            ("Reason", addon.get("reason") or None),
        ]
    )
