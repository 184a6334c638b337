"""`ottla apps`: your apps."""

from control_plane.cli import output
from control_plane.cli.command import Cli
from control_plane.cli.command import command as declare


@declare("apps")
def command(cli: Cli) -> None:
    """List your apps."""
    apps = cli.platform.list_all("/apps")
    cli.show(
        apps,
        lambda: output.table(["Name", "Created"], [[a["name"], a["created_at"]] for a in apps]),
    )
