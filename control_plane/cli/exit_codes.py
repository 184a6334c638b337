"""The command line's exit codes, printed by `ottla help exit-codes`; scripts rely on them."""

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    CONFLICT = 5
    LIMIT = 6
    TIMED_OUT = 7
    FAILED = 8
    UNHEALTHY = 10
    INTERRUPTED = 130


ABOUT = {
    ExitCode.OK: "done",
    ExitCode.UNEXPECTED: "an unexpected error",
    ExitCode.USAGE: "the command line was wrong",
    ExitCode.NOT_FOUND: "no such app, add-on, topic, ...",
    ExitCode.NOT_ALLOWED: "not logged in, or not allowed",
    ExitCode.CONFLICT: "a conflict with the present state, or a confirmation that does not match",
    ExitCode.LIMIT: "a plan's limit, a quota or a rate was reached",
    ExitCode.TIMED_OUT: "waiting took longer than asked",
    ExitCode.FAILED: "the operation failed on the service's side",
    ExitCode.UNHEALTHY: "the cluster is not healthy",
    ExitCode.INTERRUPTED: "interrupted",
}

_BY_STATUS = {
    401: ExitCode.NOT_ALLOWED,
    402: ExitCode.LIMIT,
    403: ExitCode.NOT_ALLOWED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    410: ExitCode.NOT_FOUND,
    412: ExitCode.CONFLICT,
    422: ExitCode.USAGE,
    423: ExitCode.CONFLICT,
    429: ExitCode.LIMIT,
}


def exit_code_of(status: int, identifier: str = "") -> ExitCode:
    """The exit code for an HTTP error: by its id where that says more than its status."""
    if identifier == "plan_limit":
        return ExitCode.LIMIT
    return _BY_STATUS.get(status, ExitCode.UNEXPECTED)
