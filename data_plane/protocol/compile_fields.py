"""From a declaration to the fields of one version: what both code generators read."""

import dataclasses
import types
from collections.abc import Sequence
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from data_plane.protocol.schema import Fixed, Presence, RecordsType


@dataclasses.dataclass(frozen=True, slots=True)
class WireType:
    """One type: kind is fixed, boolean, uuid, string, bytes, records, array or struct."""

    kind: str
    code: str = ""  # The struct character of a fixed kind.
    size_bytes: int = 0  # The size of a fixed kind or a uuid.
    element: "WireType | None" = None
    struct: type | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class WireField:
    """One field as one version carries it."""

    name: str
    type: WireType
    is_nullable: bool
    default: Any


BOOLEAN = WireType("fixed", "?", 1)
UUID_TYPE = WireType("uuid", size_bytes=16)


def wire_type(annotation: Any) -> WireType:
    """Read an annotation that has lost its `| None`."""
    if annotation is bool:
        return BOOLEAN
    if annotation is str:
        return WireType("string")
    if annotation is bytes:
        return WireType("bytes")
    if annotation is UUID:
        return UUID_TYPE
    if get_origin(annotation) is Annotated:
        marker = get_args(annotation)[1]
        if isinstance(marker, Fixed):
            return WireType("fixed", marker.code, marker.size_bytes)
        if isinstance(marker, RecordsType):
            return WireType("records")
    if get_origin(annotation) is Sequence:
        return WireType("array", element=wire_type(get_args(annotation)[0]))
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return WireType("struct", struct=annotation)
    raise TypeError(f"{annotation!r} is not a wire type")


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return members[0], True
    # `records | None` spreads the members of its Annotated union only when it is not annotated.
    return annotation, False


def fields_of(
    cls: type, version: int, *, is_flexible: bool
) -> tuple[list[WireField], list[tuple[int, WireField]]]:
    """Return the plain fields in wire order and the tagged ones by ascending tag."""
    hints = get_type_hints(cls, include_extras=True)
    plain: list[WireField] = []
    tags: list[tuple[int, WireField]] = []
    for field in dataclasses.fields(cls):
        presence = field.metadata.get("wire", Presence())
        if not presence.since <= version < presence.until:
            continue
        annotation, may_be_none = _without_none(hints[field.name])
        is_nullable = may_be_none and version >= presence.nullable_from
        wire = WireField(field.name, wire_type(annotation), is_nullable, field.default)
        if presence.tag is None:
            plain.append(wire)
        elif is_flexible:
            tags.append((presence.tag, wire))
    tags.sort(key=lambda entry: entry[0])
    return plain, tags


def size_min_bytes(wire: WireType, version: int, *, is_flexible: bool) -> int:
    """Return the least bytes a value takes; at least 1, so that bytes left bound any count."""
    if wire.kind in ("fixed", "uuid"):
        return wire.size_bytes
    if wire.kind == "struct":
        assert wire.struct is not None
        plain, _ = fields_of(wire.struct, version, is_flexible=is_flexible)
        inner = sum(size_min_bytes(f.type, version, is_flexible=is_flexible) for f in plain)
        return max(1, inner + is_flexible)
    if is_flexible:
        return 1
    return 2 if wire.kind == "string" else 4
