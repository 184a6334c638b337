"""`ottla nodes:replace NODE`: for operators, a lost node's brokers move to others at once."""

import click

from control_plane.cli import output
from control_plane.cli.command import Cli, confirm_by_name, confirm_option
from control_plane.cli.command import command as declare
from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode
from control_plane.cli.platform import Json
from control_plane.cli.waiting import poll, timeout_option


@declare("nodes:replace")
@click.argument("node")
@confirm_option
@click.option("--wait", is_flag=True, help="Return when other nodes run its brokers.")
@timeout_option
def command(cli: Cli, node: str, confirm: str | None, wait: bool, timeout_s: float) -> None:
    """Have other nodes take over a lost node's brokers now; for operators of the service.

    What only that node had is lost. Asked again, it says how far it is.
    """
    what = f"This takes {node} for lost: what only its disks hold is gone, if it comes back too."
    confirm_by_name(node, confirm, what)
    path = f"/nodes/{node}/replacement"
    found = cli.platform.put(path, {})
    if wait:
        found = _ended(cli, node, path, timeout_s)
    cli.show(found, lambda: _print(found))
    if any(each["state"] in {"refused", "failed"} for each in found["clusters"]):
        raise CliError(
            f"not everything of {node} is replaced", code=ExitCode.FAILED, identifier="failed"
        )


def _ended(cli: Cli, node: str, path: str, timeout_s: float) -> Json:
    said: set[str] = set()

    def ask() -> Json | None:
        now = cli.platform.get(path)
        live = [each for each in now["clusters"] if each["progress"] is not None]
        for each in live:
            words = _words(each)
            if words not in said and not cli.as_json:
                said.add(words)
                output.hint(f" {words}")
        return None if live else now

    return poll(f"the replacement of {node}", ask, timeout_s)


def _print(found: Json) -> None:
    if not found["clusters"]:
        click.echo(f"{found['node']} has no broker of any cluster")
    for each in found["clusters"]:
        click.echo(_words(each))


def _words(each: Json) -> str:
    ids = ", ".join(map(str, each["broker_ids"]))
    words = f"{each['addon']}, broker {ids}: {each['state']}"
    if at := each["progress"]:
        words += f", {at['step']} of {at['of']}: {at['name'].replace('_', ' ')}"
    return words + (f" ({each['message']})" if each["message"] else "")
