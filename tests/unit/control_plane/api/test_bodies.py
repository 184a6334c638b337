"""Bodies: what can be stored, counts as clients send them, times as clients read them."""

import datetime as dt

import pytest
from pydantic import ValidationError

from control_plane.api.schemas.bodies import Body, Count, rfc3339


class Sample(Body):
    name: str = ""
    count: Count = 1
    nested: dict[str, list[str]] = {}


@pytest.mark.parametrize(("sent", "read"), [(3, 3), ("3", 3), ("007", 7)])
def test_counts(sent: object, read: int) -> None:
    assert Sample.model_validate({"count": sent}).count == read


@pytest.mark.parametrize("sent", ["", "-1x", "1.5", "9" * 4000, None, [], "٣x"])
def test_what_is_no_count(sent: object) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({"count": sent})


@pytest.mark.parametrize(
    "sent", [{"name": "a\x00"}, {"name": "\ud800"}, {"nested": {"k": ["\x00"]}}, {"\x00": 1}]
)
def test_what_postgres_cannot_hold_is_refused(sent: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="cannot be stored"):
        Sample.model_validate(sent)


def test_fields_of_other_platforms_are_ignored() -> None:
    assert Sample.model_validate({"region": "us", "count": 2}) == Sample(count=2)


def test_times_are_utc_with_milliseconds() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    moment = dt.datetime(2026, 11, 22, 19, 5, 57, 123999, tzinfo=zone)
    assert rfc3339(moment) == "2026-11-22T17:05:57.123Z"
