"""What every refusal says, as the document shows it; `http/errors.py` writes the replies."""

from typing import Any

from pydantic import Field

from control_plane.api.schemas.bodies import Out
from control_plane.http.errors import ERRORS

_MEANINGS = "; ".join(f"`{name}` ({status}): {about}" for name, (status, about) in ERRORS.items())


class RefusalDetail(Out):
    """One fault of a field."""

    field: str
    id: str
    message: str


class Refusal(Out):
    """`id` is for programs, `message` for people."""

    id: str = Field(description=_MEANINGS, json_schema_extra={"enum": [*ERRORS]})
    message: str
    url: str | None
    request_id: str
    details: list[RefusalDetail]


class BareRefusal(Out):
    """404 and 410 of a cluster: Kafka command lines read the status only without a `message`."""

    id: str = Field(json_schema_extra={"enum": ["not_found", "gone"]})


REFUSED: dict[int | str, dict[str, Any]] = {
    "default": {"model": Refusal, "description": "Refused, or failed on our side"}
}
CLUSTER_REFUSED: dict[int | str, dict[str, Any]] = {
    404: {"model": BareRefusal, "description": "No such cluster"},
    410: {"model": BareRefusal, "description": "The cluster was deprovisioned"},
}
