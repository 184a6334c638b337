"""`ottla logout`: forget the stored token."""

from control_plane.cli import credentials, output
from control_plane.cli.command import Cli
from control_plane.cli.command import command as declare


@declare("logout")
def command(cli: Cli) -> None:
    """Forget the stored token."""
    credentials.forget()
    cli.show({"logged_in": False}, lambda: output.hint("Logged out"))
