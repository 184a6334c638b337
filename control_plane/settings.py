"""Environment to typed settings; the only reader of the process environment."""

import base64
import binascii
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_KEY_BYTES = 32


class DatabaseSettings(BaseSettings):
    """What a migration needs, which is less than what serving needs."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    database_url: SecretStr  # postgres://, postgresql:// or postgresql+psycopg://


class Settings(DatabaseSettings):
    """Every setting of the control plane, by its environment name in capitals."""

    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    secret_key: SecretStr  # base64 of 32 bytes: seals secrets at rest
    signup: Literal["open", "closed"] = "closed"
    addon_slug: str = "ottla-kafka"
    extended_plans: bool = False  # offer plans of eight brokers, on the embedded engine
    public_url: str = "http://127.0.0.1:8000"
    operation_wait_s_max: int = Field(120, gt=0)  # for nodes, before an operation is given up
    node_lost_s: int = Field(600, gt=0)  # silent for so long, its brokers move to other nodes
    ready_file: Path | None = None  # touched once the process serves
    operator_token_file: Path | None = None  # where a release writes the operator's token
    node_token_file: Path | None = None  # where a release writes a node's one-time token

    @field_validator("secret_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        _key_bytes(value)
        return value

    @property
    def sqlalchemy_url(self) -> str:
        return sqlalchemy_url(self.database_url.get_secret_value())

    @property
    def celery_url(self) -> str:
        return celery_url(self.redis_url.get_secret_value())

    @property
    def sealing_key(self) -> bytes:
        return _key_bytes(self.secret_key)


def sqlalchemy_url(database_url: str) -> str:
    """Name the driver in a Postgres URL: psycopg 3. The query (sslmode) is kept.

    SQLAlchemy refuses Heroku's `postgres://`. Raises ValueError for anything but Postgres.
    """
    scheme, separator, rest = database_url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise ValueError("DATABASE_URL must begin with postgres:// or postgresql://")
    return f"postgresql+psycopg://{rest}"


def celery_url(redis_url: str) -> str:
    """Turn redis-py's `unix://` into the `redis+socket://` that Celery knows; keep the rest."""
    scheme, separator, rest = redis_url.partition("://")
    if not separator or scheme not in {"redis", "rediss", "unix", "redis+socket"}:
        raise ValueError("REDIS_URL must begin with redis://, rediss:// or unix://")
    return f"redis+socket://{rest}" if scheme == "unix" else redis_url


def _key_bytes(value: SecretStr) -> bytes:
    try:
        key = base64.b64decode(value.get_secret_value(), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != SECRET_KEY_BYTES:
        raise ValueError(f"SECRET_KEY must be base64 of {SECRET_KEY_BYTES} bytes")
    return key


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the environment once per process."""
    return Settings()


def migration_url() -> str:
    """Read DATABASE_URL alone."""
    return DatabaseSettings().database_url.get_secret_value()
