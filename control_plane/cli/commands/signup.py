"""`ottla signup`: a new account, where the operator opened sign-up."""

import sys

import click

from control_plane.cli import output
from control_plane.cli.command import Cli
from control_plane.cli.command import command as declare
from control_plane.cli.commands.login import log_in


@declare("signup")
@click.option("--email", prompt=True, help="The account's e-mail address.")
@click.option(
    # No --password: a command line is read by every process of the machine.
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input instead of asking for it.",
)
def command(cli: Cli, email: str, password_stdin: bool) -> None:
    """Create an account and log in."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    account = cli.platform.post("/accounts", {"email": email, "password": password})
    log_in(cli, email, password)
    cli.show(account, lambda: output.hint(f"Created account {email} and logged in"))
