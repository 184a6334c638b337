"""`ottla signup`: a new account, where the operator opened sign-up."""

import click

from control_plane.cli import output
from control_plane.cli.command import Cli
from control_plane.cli.command import command as declare
from control_plane.cli.commands.login import log_in


@declare("signup")
@click.option("--email", prompt=True, help="The account's e-mail address.")
@click.password_option(help="Asked for, when not given; argv is no place for secrets.")
def command(cli: Cli, email: str, password: str) -> None:
    """Create an account and log in."""
    account = cli.platform.post("/accounts", {"email": email, "password": password})
    log_in(cli, email, password)
    cli.show(account, lambda: output.hint(f"Created account {email} and logged in"))
