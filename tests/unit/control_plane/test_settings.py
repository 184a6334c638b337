"""Settings from the environment, and the URLs that libraries want."""

import base64

import pytest
from pydantic import ValidationError

from control_plane.settings import Settings, celery_url, sqlalchemy_url

KEY = base64.b64encode(b"k" * 32).decode()


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://u:p@h:5432/d?sslmode=require")
    monkeypatch.setenv("SECRET_KEY", KEY)
    monkeypatch.setenv("SIGNUP", "open")
    settings = Settings()
    assert settings.sqlalchemy_url == "postgresql+psycopg://u:p@h:5432/d?sslmode=require"
    assert settings.sealing_key == b"k" * 32
    assert settings.signup == "open"
    assert settings.addon_slug == "ottla-kafka"


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://u:hidden@h/d")
    monkeypatch.setenv("REDIS_URL", "redis://:hidden@h")
    monkeypatch.setenv("SECRET_KEY", KEY)
    shown = repr(Settings())
    assert "hidden" not in shown
    assert KEY not in shown


@pytest.mark.parametrize("key", ["", "short", base64.b64encode(b"k" * 31).decode(), "ä" * 32])
def test_a_wrong_key_is_refused_without_being_shown(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://h/d")
    monkeypatch.setenv("SECRET_KEY", key)
    with pytest.raises(ValidationError, match="base64 of 32 bytes") as refused:
        Settings()
    assert not key or key not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgres_urls(scheme: str) -> None:
    assert sqlalchemy_url(f"{scheme}://h/d") == "postgresql+psycopg://h/d"


@pytest.mark.parametrize("url", ["sqlite:///x", "mysql://h/d", "", "postgres"])
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL"):
        sqlalchemy_url(url)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("rediss://h:6380", "rediss://h:6380"),
        ("unix:///run/valkey.sock", "redis+socket:///run/valkey.sock"),
    ],
)
def test_redis_urls(url: str, wanted: str) -> None:
    assert celery_url(url) == wanted
