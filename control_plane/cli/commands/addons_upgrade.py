"""`ottla addons:upgrade [ADDON] PLAN` (and addons:downgrade): another plan, while it serves."""

import click

from control_plane.cli import output
from control_plane.cli.command import Cli, app_option, resolve_addon
from control_plane.cli.command import command as declare
from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode
from control_plane.cli.waiting import timeout_option, wait_for_operation


@declare("addons:upgrade")
@click.argument("words", nargs=-1, required=True, metavar="[ADDON] PLAN")
@app_option
@click.option("--wait", is_flag=True, help="Return when the cluster has the new plan.")
@timeout_option
def command(
    cli: Cli, words: tuple[str, ...], app: str | None, wait: bool, timeout_s: float
) -> None:
    """Change the plan of an add-on, such as to ottla-kafka:standard-0; its cluster serves on."""
    if len(words) > 2:
        raise CliError("name an add-on and a plan, or a plan alone", code=ExitCode.USAGE)
    plan = words[-1]
    found = resolve_addon(cli, app, words[0] if len(words) == 2 else None)
    owner, before = found["app"]["name"], found["plan"]["name"]
    changed = cli.platform.patch(f"/apps/{owner}/addons/{found['id']}", {"plan": {"name": plan}})
    name, operation = changed["name"], changed["operation"]
    is_under_way = changed["changing_to"] is not None
    if not cli.as_json and is_under_way:
        price = output.price(changed["plan"]["price"])
        output.hint(f"Changing {name} from {before} to {changed['plan']['name']}... {price}")
    if wait and is_under_way:
        wait_for_operation(cli, operation, timeout_s)
        changed = cli.platform.get(f"/addons/{found['id']}")
        is_under_way = False

    def text() -> None:
        if is_under_way:
            click.echo(f"{name} is being changed to {changed['plan']['name']}; it serves on")
            output.hint(f"Wait for it: ottla kafka:wait {name} --app {owner}")
        else:
            click.echo(f"{name} has plan {changed['plan']['name']}")
            output.hint(f"Its config vars: {', '.join(changed['config_vars'])}")

    cli.show(changed, text)
