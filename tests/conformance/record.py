"""A record as every client is asked to write it and to give it back."""

import base64
from dataclasses import dataclass
from typing import Any, Final

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")


@dataclass(frozen=True, slots=True)
class Record:
    """A writer leaves timestamp_ms (-1: the client's clock) and offset out; a reader found them."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int = 0
    timestamp_ms: int = -1
    offset: int = -1

    @property
    def content(self) -> tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]:
        """What must come back exactly."""
        return self.key, self.value, self.headers


def to_json(record: Record) -> dict[str, Any]:
    """Bytes as base64, so that every language reads the same line."""
    return {
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": [[name, _text(value)] for name, value in record.headers],
        "partition": record.partition,
        "timestamp_ms": record.timestamp_ms,
    }


def from_json(told: dict[str, Any]) -> Record:
    return Record(
        key=_bytes(told["key"]),
        value=_bytes(told["value"]),
        headers=tuple((name, _bytes(value)) for name, value in told["headers"] or ()),
        partition=told["partition"],
        timestamp_ms=told["timestamp_ms"],
        offset=told["offset"],
    )


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
