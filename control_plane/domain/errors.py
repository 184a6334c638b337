"""What a service may refuse, in words for people and an id for programs.

A service raises these; `http/` gives each class its status, so no layer below knows HTTP.
"""


class ServiceError(Exception):
    """A refusal. `id` is one of the API's documented error ids; `field` names the culprit input."""

    id = "bad_request"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.id = code


class NotFound(ServiceError):
    """404: no such thing, or none that this account may see."""

    id = "not_found"


class Gone(ServiceError):
    """410: it existed and was destroyed."""

    id = "gone"


class Unauthorized(ServiceError):
    """401: no valid credentials."""

    id = "unauthorized"


class Forbidden(ServiceError):
    """403: known, and not allowed."""

    id = "forbidden"


class Conflict(ServiceError):
    """409: the thing's present state, or a twin, stands in the way."""

    id = "conflict"


class Invalid(ServiceError):
    """422: the request can never work as it is."""

    id = "invalid_params"


class PlanLimit(Invalid):
    """422: the plan does not allow it; the message names the next plan that does."""

    id = "plan_limit"


class Unavailable(ServiceError):
    """503: nothing wrong with the request; try again later."""

    id = "unavailable"
