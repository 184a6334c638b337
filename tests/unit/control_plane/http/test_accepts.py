"""Accept headers as clients really send them."""

import pytest

from control_plane.http.accepts import accepted


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, ""),
        ("", ""),
        ("*/*", ""),
        ("application/json", ""),
        ("text/html, application/json;q=0.9", ""),
        ("application/vnd.ottla+json; version=1", "ottla"),
        ('application/vnd.ottla+json;version="1"', "ottla"),
        ("application/vnd.ottla+json", "ottla"),
        ("application/vnd.heroku+json; version=3", "heroku"),
        ("application/vnd.heroku+json; version=3.actions", "heroku"),
        ("application/vnd.heroku+json; version=30", None),
        ("application/vnd.ottla+json; version=2", None),
        ("text/html", None),
        ("nonsense", None),
    ],
)
def test_what_is_served(header: str | None, expected: str | None) -> None:
    assert accepted(header) == expected
