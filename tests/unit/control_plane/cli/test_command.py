"""Confirmation, errors and the stored login."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from control_plane.cli import credentials
from control_plane.cli.command import Cli, command, confirm_by_name
from control_plane.cli.commands.addons_create import options_of
from control_plane.cli.commands.apps_destroy import what_is_lost
from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode, exit_code_of


def test_a_confirmation_must_be_the_name() -> None:
    confirm_by_name("kafka-shiny-1", "kafka-shiny-1", "all of it")
    with pytest.raises(CliError, match="did not match") as caught:
        confirm_by_name("kafka-shiny-1", "yes", "all of it")
    assert caught.value.code is ExitCode.CONFLICT


def test_the_end_of_an_app_names_the_add_ons_that_go_with_it() -> None:
    assert "record" not in what_is_lost("flights", [])
    assert "every topic and record in them: kafka-a, kafka-b." in what_is_lost(
        "flights", ["kafka-a", "kafka-b"]
    )


@command("fails")
def failing(_cli: Cli) -> None:
    """Fail."""
    raise CliError("no such app", code=ExitCode.NOT_FOUND, identifier="not_found")


def test_errors_go_to_stderr_as_text_or_object_with_the_exit_code() -> None:
    text = CliRunner().invoke(failing, [])
    assert (text.exit_code, text.stdout) == (3, "")
    assert "no such app" in text.stderr
    as_json = CliRunner().invoke(failing, ["--json"])
    assert (as_json.exit_code, as_json.stdout) == (3, "")
    assert json.loads(as_json.stderr) == {"id": "not_found", "message": "no such app"}


def test_a_plan_limit_is_told_apart_from_a_wrong_request() -> None:
    assert exit_code_of(422, "plan_limit") is ExitCode.LIMIT
    assert exit_code_of(422, "invalid_params") is ExitCode.USAGE


@pytest.mark.parametrize(
    ("status", "code"), [(401, 4), (404, 3), (409, 5), (429, 6), (500, 1), (418, 1)]
)
def test_exit_codes_follow_the_status(status: int, code: int) -> None:
    assert exit_code_of(status) == code


def test_the_token_file_is_its_owners_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    login = credentials.Login("http://127.0.0.1:1", "secret", "a@example.com")
    path = credentials.save(login)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert credentials.load() == login
    path.write_text("{broken")
    assert credentials.load() is None


def test_a_token_is_sent_only_to_the_service_that_issued_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("OTTLA_API_KEY", raising=False)
    credentials.save(credentials.Login("http://127.0.0.1:1", "secret"))
    elsewhere = Cli(as_json=False, url="http://127.0.0.1:2").platform
    home = Cli(as_json=False, url="http://127.0.0.1:1/").platform
    assert "Authorization" not in elsewhere._client.headers
    assert home._client.headers["Authorization"] == "Bearer secret"
    elsewhere.close()
    home.close()


def test_addon_options() -> None:
    assert options_of(("--engine=embedded", "--robot")) == {"engine": "embedded", "robot": True}
    with pytest.raises(CliError, match="is no option"):
        options_of(("engine=embedded",))
