"""Wire messages declared once for all versions, compiled to flat code per version on first use.

A message is a frozen dataclass whose fields stand in wire order. A field's annotation gives its
type, `since`, `until` and `tagged` give the versions that carry it; structs nest as dataclasses.
`encoder` and `decoder` return functions for one (class, version); both directions exist for every
message, so brokers, peers and tests share one declaration. A field absent from a version takes its
default when decoded and is left out when encoded. Source: KIP-482 (flexible versions).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Protocol, TypeVar, cast
from uuid import UUID

from data_plane.protocol.primitives import Buffer, DecodeError, EncodeError

__all__ = [
    "NO_ID",
    "Buffer",
    "DecodeError",
    "EncodeError",
    "EncodedRows",
    "boolean",
    "data_record",
    "decode",
    "decoder",
    "encode",
    "encoder",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "nullable",
    "part_encoder",
    "record_batches",
    "request",
    "response",
    "since",
    "tagged",
    "uint16",
    "until",
    "uuid",
]

VERSION_MAX: Final = 1 << 15  # Above every version: "never flexible", "for ever".

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed:
    """A type of fixed size: `code` is its struct character."""

    code: str
    size_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class RecordsType:
    """Record batches: decoded as a slice of the request's own view, encoded from any buffer."""


int8 = Annotated[int, Fixed("b", 1)]
int16 = Annotated[int, Fixed("h", 2)]
int32 = Annotated[int, Fixed("i", 4)]
int64 = Annotated[int, Fixed("q", 8)]
uint16 = Annotated[int, Fixed("H", 2)]
float64 = Annotated[float, Fixed("d", 8)]
boolean = bool
uuid = UUID
record_batches = Annotated[Buffer, RecordsType()]

NO_ID: Final = UUID(int=0)  # Kafka's "no topic id".


class EncodedRows(Sequence[Any]):
    """Stands for an array of structs that are encoded already, back to back in `data`.

    Only an encoder of the version they were encoded for may meet it: the rows cannot be looked at.
    """

    __slots__ = ("_count", "data")

    def __init__(self, count: int, data: bytes) -> None:
        self._count = count
        self.data = data

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        raise TypeError("encoded rows are only sent")


@dataclasses.dataclass(frozen=True, slots=True)
class Presence:
    """Which versions carry a field and how: half-open ranges of versions."""

    since: int = 0
    until: int = VERSION_MAX
    nullable_from: int = 0  # Only read where the annotation allows None.
    tag: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class MessageInfo:
    """What a decorator said about a message or record class."""

    kind: str  # request, response or data_record
    api_key: int
    versions: range
    flexible_from: int


def _field(presence: Presence, default: Any) -> Any:
    metadata = {"wire": presence}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def since(version: int, *, default: T, until: int = VERSION_MAX, nullable_from: int = 0) -> T:
    """Declare a field that versions from `version` up to, not including, `until` carry."""
    return cast(T, _field(Presence(version, until, nullable_from), default))


def until(version: int, *, default: T, nullable_from: int = 0) -> T:
    """Declare a field that only versions before `version` carry."""
    return cast(T, _field(Presence(0, version, nullable_from), default))


def nullable(version: int, *, default: Any = dataclasses.MISSING) -> Any:
    """Declare a field of every version that may be null from `version` on."""
    return _field(Presence(nullable_from=version), default)


def tagged(tag: int, *, since: int, default: T) -> T:
    """Declare a tagged field, which is written only when its value is not the default.

    librdkafka before 2.2.0 fails on sections that hold default values.
    """
    return cast(T, _field(Presence(since, tag=tag), default))


class _Decorator(Protocol):
    def __call__(self, cls: type[T], /) -> type[T]: ...


_MESSAGES: dict[type, MessageInfo] = {}


def _declare(info: MessageInfo) -> _Decorator:
    def declare(cls: type[T], /) -> type[T]:
        _MESSAGES[cls] = info
        return cls

    return declare


def request(*, api_key: int, versions: range, flexible_from: int | None) -> _Decorator:
    """Declare a request body: all versions that can be spoken, not those advertised."""
    return _declare(MessageInfo("request", api_key, versions, _or_never(flexible_from)))


def response(*, api_key: int, versions: range, flexible_from: int | None) -> _Decorator:
    """Declare a response body; its header version is headers.py's affair."""
    return _declare(MessageInfo("response", api_key, versions, _or_never(flexible_from)))


def data_record(*, versions: range, flexible_from: int | None) -> _Decorator:
    """Declare the body of a record in a log: of an internal topic or the metadata log."""
    return _declare(MessageInfo("data_record", -1, versions, _or_never(flexible_from)))


def _or_never(flexible_from: int | None) -> int:
    return VERSION_MAX if flexible_from is None else flexible_from


def info_of(cls: type) -> MessageInfo:
    """Return what the decorator of `cls` said."""
    return _MESSAGES[cls]


_ENCODERS: dict[tuple[type, int], Callable[[Any], bytes]] = {}
_PART_ENCODERS: dict[tuple[type, type, int], Callable[[Any], bytes]] = {}
_DECODERS: dict[tuple[type, int], Callable[[Buffer, int], tuple[Any, int]]] = {}


def encoder(cls: type[T], version: int) -> Callable[[T], bytes]:
    """Return the function from a message to its body at `version`; compiled at first use.

    The function raises EncodeError for a value the wire cannot carry, this one ValueError for a
    version the message does not have.
    """
    found = _ENCODERS.get((cls, version))
    if found is None:
        found = _ENCODERS[cls, version] = part_encoder(cls, cls, version)
    return found


def decoder(cls: type[T], version: int) -> Callable[[Buffer, int], tuple[T, int]]:
    """Return the function from (view, at) to (message, position after it); compiled at first use.

    The function raises DecodeError for anything malformed and nothing else. Bytes after the
    message are the caller's affair, as they are Kafka's. Records fields are slices of the view.
    """
    found = _DECODERS.get((cls, version))
    if found is None:
        from data_plane.protocol import compile_decode

        _check_version(cls, version)
        found = _DECODERS[cls, version] = compile_decode.compile_decoder(cls, version)
    return found


def part_encoder(part: type[T], message: type[Any], version: int) -> Callable[[T], bytes]:
    """Return the function from a struct within `message` to its bytes; raises as `encoder`."""
    found = _PART_ENCODERS.get((part, message, version))
    if found is None:
        from data_plane.protocol import compile_encode

        _check_version(message, version)
        is_flexible = version >= info_of(message).flexible_from
        found = compile_encode.compile_encoder(part, version, is_flexible=is_flexible)
        _PART_ENCODERS[part, message, version] = found
    return found


def encode(message: object, version: int) -> bytes:
    """Encode one message at `version`."""
    return encoder(type(message), version)(message)


def decode(cls: type[T], version: int, view: Buffer, at: int = 0) -> T:
    """Decode one message at `version` from `view[at:]`."""
    return decoder(cls, version)(view, at)[0]


def _check_version(cls: type, version: int) -> None:
    if version not in info_of(cls).versions:
        raise ValueError(f"{cls.__name__} has no version {version}")
