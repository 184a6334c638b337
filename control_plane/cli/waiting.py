"""Waiting for the service: polls with a spinner, an end, and the exit code that fits."""

import time
from collections.abc import Callable

import click

from control_plane.cli import output
from control_plane.cli.command import Cli
from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode
from control_plane.cli.platform import Json
from control_plane.local.progress import Progress

POLL_SECONDS = 0.25
TIMEOUT_SECONDS = 600.0

timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=float,
    default=TIMEOUT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Give up after this long.",
)


def poll(what: str, ask: Callable[[], Json | None], timeout_s: float) -> Json:
    """Ask until the answer is not None. Raises CliError(TIMED_OUT) after timeout_s."""
    progress = Progress()
    progress.waiting(f"waiting for {what}")
    deadline = time.monotonic() + timeout_s
    try:
        while (answer := ask()) is None:
            if time.monotonic() > deadline:
                raise CliError(
                    f"{what} was not ready after {timeout_s:g} s; it goes on without you",
                    code=ExitCode.TIMED_OUT,
                    identifier="timed_out",
                )
            time.sleep(POLL_SECONDS)
    finally:
        progress.close()
    return answer


def wait_for_addon(cli: Cli, addon: Json, timeout_s: float = TIMEOUT_SECONDS) -> Json:
    """Until it is provisioned. Raises CliError(FAILED) with the reason where it failed."""

    def ask() -> Json | None:
        now = cli.platform.get(f"/addons/{addon['id']}")
        if now["state"] == "provisioning":
            return None
        if now["state"] != "provisioned":
            reason = now.get("reason") or f"it is {now['state']}"
            raise CliError(
                f"{now['name']} failed: {reason}", code=ExitCode.FAILED, identifier="failed"
            )
        return now

    return poll(str(addon["name"]), ask, timeout_s)


def wait_for_operation(cli: Cli, operation: Json, timeout_s: float = TIMEOUT_SECONDS) -> Json:
    """Until it has ended, saying what it is at. Raises CliError(FAILED) with the reason."""
    said = ""

    def ask() -> Json | None:
        nonlocal said
        now = cli.platform.get(f"/operations/{operation['id']}")
        if now["state"] in {"failed", "cancelled"}:
            raise CliError(
                now["error"]["message"], code=ExitCode.FAILED, identifier=now["error"]["id"]
            )
        at = now["progress"]
        words = f"{at['step']} of {at['of']}: {at['name'].replace('_', ' ')}" if at["of"] else ""
        if words and words != said and not cli.as_json and now["state"] != "succeeded":
            said = words
            output.hint(f" {words}")
        return now if now["state"] == "succeeded" else None

    return poll(str(operation["resource"]["name"]), ask, timeout_s)


def wait_until_destroyed(cli: Cli, addon: Json, timeout_s: float = TIMEOUT_SECONDS) -> Json:
    """Until nothing of it is left; returns its last state as deprovisioned."""

    def ask() -> Json | None:
        try:
            now = cli.platform.get(f"/addons/{addon['id']}")
        except CliError as error:
            if error.code is ExitCode.NOT_FOUND:
                return {**addon, "state": "deprovisioned"}
            raise
        return now if now["state"] == "deprovisioned" else None

    return poll(f"{addon['name']} to be gone", ask, timeout_s)


def wait_for_cluster(cli: Cli, addon: Json, timeout_s: float) -> Json:
    """By Heroku's wait_status. Raises CliError where the cluster failed or is gone."""

    def ask() -> Json | None:
        status = cli.platform.get(f"/data/kafka/v0/clusters/{addon['id']}/wait_status")
        if status.get("error?"):
            raise CliError(status["message"], code=ExitCode.FAILED, identifier="failed")
        if status.get("deprovisioned?") or status.get("missing?"):
            raise CliError(status["message"], code=ExitCode.NOT_FOUND, identifier="gone")
        return None if status["waiting?"] else status

    return poll(str(addon["name"]), ask, timeout_s)


def wait_for_topic(cli: Cli, addon: Json, topic: str, timeout_s: float) -> Json:
    """Until the brokers have the topic. Raises CliError(FAILED) with the reason otherwise."""

    def ask() -> Json | None:
        reply = cli.platform.get(f"/data/kafka/v0/clusters/{addon['id']}/topics")
        found = [each for each in reply["topics"] if each["name"] == topic]
        if not found:
            raise CliError(f"topic {topic} is gone", code=ExitCode.NOT_FOUND, identifier="gone")
        if found[0]["status"] == "failed":
            raise CliError(
                f"topic {topic} failed: {found[0]['status_label']}",
                code=ExitCode.FAILED,
                identifier="failed",
            )
        return found[0] if found[0]["status"] in {"ready", "created", "updated"} else None

    return poll(f"topic {topic}", ask, timeout_s)
