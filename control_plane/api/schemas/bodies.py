"""What all request and response bodies share."""

import datetime as dt
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator


def rfc3339(moment: dt.datetime) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds: 2026-11-22T17:05:57.123Z."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[dt.datetime, PlainSerializer(rfc3339, return_type=str)]


# Heroku's command line sends counts as text ("8"), other clients as numbers: both are read. What a
# plan allows is the services' to say; the bounds here only keep numbers in range of the database.
Count = Annotated[int, Field(ge=-(10**15), le=10**15)]


class Out(BaseModel):
    """A response body: null where there is no value, never a missing key."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Body(BaseModel):
    """A request body. Fields of other platforms' clients that mean nothing here are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        check_storable(value)
        return value


def check_storable(value: Any) -> None:
    """Raise ValueError for text Postgres cannot hold: NUL and lone surrogates, at any depth."""
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise ValueError("text holds a character that cannot be stored")
    elif isinstance(value, dict):
        for key, item in value.items():
            check_storable(key)
            check_storable(item)
    elif isinstance(value, list):
        for item in value:
            check_storable(item)


class Named(Out):
    """A reference to something by both its names."""

    id: str
    name: str


class Reference(Body):
    """What a request names: an id or a name, whichever the client has."""

    id: str | None = None
    name: str | None = None

    @property
    def text(self) -> str:
        return self.id or self.name or ""
