"""`ottla addons`: the add-ons of an app, or all of yours."""

from control_plane.cli import output
from control_plane.cli.command import Cli, app_option
from control_plane.cli.command import command as declare


@declare("addons")
@app_option
def command(cli: Cli, app: str | None) -> None:
    """List add-ons with plan, price and state."""
    addons = cli.platform.list_all(f"/apps/{app}/addons" if app else "/addons")
    cli.show(
        addons,
        lambda: output.table(
            ["App", "Add-on", "Plan", "Price", "State"],
            [
                [
                    each["app"]["name"],
                    each["name"],
                    each["plan"]["name"],
                    output.price(each["plan"]["price"]),
                    each["state"],
                ]
                for each in addons
            ],
        ),
    )
