"""Failures of a command, with the exit code and the API's error object where there is one."""

from typing import Any

from control_plane.cli.exit_codes import ExitCode


class CliError(Exception):
    """Ends a command: a sentence for people, an object for programs, an exit code for scripts."""

    def __init__(
        self,
        message: str,
        *,
        code: ExitCode = ExitCode.UNEXPECTED,
        identifier: str = "error",
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.body: dict[str, Any] = details or {"id": identifier, "message": message}
