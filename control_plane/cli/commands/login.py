"""`ottla login`: by e-mail and password, or by a token on standard input."""

import sys

import click

from control_plane.cli import credentials, output
from control_plane.cli.command import Cli
from control_plane.cli.command import command as declare
from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode
from control_plane.cli.platform import Platform


@declare("login")
@click.option("--email", help="The account's e-mail address (asked for otherwise).")
@click.option("--token-stdin", is_flag=True, help="Read an API token from standard input.")
def command(cli: Cli, email: str | None, token_stdin: bool) -> None:
    """Log in; the token is kept in a 0600 file of yours."""
    if token_stdin:
        account = log_in_by_token(cli, sys.stdin.read().strip())
    else:
        email = email or click.prompt("Email", err=True)
        password = click.prompt("Password", hide_input=True, err=True)
        account = log_in(cli, email, password)
    cli.show(account, lambda: output.hint(f"Logged in as {account['email']}"))


def log_in(cli: Cli, email: str, password: str) -> dict[str, str]:
    """Exchange e-mail and password for a token and keep that; returns the account."""
    import httpx

    basic = httpx.BasicAuth(email, password)
    reply = cli.platform.post("/oauth/authorizations", {"description": "ottla cli"}, auth=basic)
    return log_in_by_token(cli, reply["access_token"]["token"])


def log_in_by_token(cli: Cli, token: str) -> dict[str, str]:
    """Check a token by asking whose it is, then keep it. Raises CliError where it is refused."""
    if not token:
        raise CliError("no token on standard input", code=ExitCode.USAGE)
    url = cli.url or cli.platform.url
    platform = Platform(url, token)
    try:
        account: dict[str, str] = platform.get("/account")
    finally:
        platform.close()
    credentials.save(credentials.Login(url.rstrip("/"), token, account["email"]))
    return account
