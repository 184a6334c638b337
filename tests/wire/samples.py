"""Messages made from their declarations: every API, every version, as full or as empty as wished.

Only `random()` of the generator is used, the one method whose sequence Python promises to keep, so
that golden frames do not depend on the Python that made them.
"""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from data_plane.protocol.api_keys import API_KEYS, ApiSpec
from data_plane.protocol.compile_fields import WireField, WireType, fields_of
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.schema import info_of

ERROR_CODES = tuple(ErrorCode)
LETTERS = "abcdefghijklmnopqrstuvwxyz-._0123456789é世"
FULL, EMPTY = 1.0, 0.0


class Case(NamedTuple):
    """One message class at one version."""

    spec: ApiSpec
    cls: type[Any]
    version: int

    @property
    def id(self) -> str:
        return f"{self.cls.__name__}-v{self.version}"


def cases() -> Iterator[Case]:
    """Every declared request and response at every version."""
    for spec in API_KEYS.values():
        for cls in (spec.request, spec.response):
            for version in info_of(cls).versions:
                yield Case(spec, cls, version)


def sample(case: Case, rng: random.Random, fullness: float) -> Any:
    """Return a message; fullness: the chance that a nullable, array or tag holds something."""
    is_flexible = case.version >= info_of(case.cls).flexible_from
    return _Sampler(rng, fullness, case.version, is_flexible).struct(case.cls)


class _Sampler:
    def __init__(
        self, rng: random.Random, fullness: float, version: int, is_flexible: bool
    ) -> None:
        self.rng = rng
        self.fullness = fullness
        self.version = version
        self.is_flexible = is_flexible

    def below(self, limit: int) -> int:
        return int(self.rng.random() * limit)

    def has_something(self) -> bool:
        return self.rng.random() < self.fullness

    def struct(self, cls: type[Any]) -> Any:
        plain, tags = fields_of(cls, self.version, is_flexible=self.is_flexible)
        values = {field.name: self.field(field) for field in plain}
        for _, field in tags:
            values[field.name] = self.field(field) if self.has_something() else field.default
        return cls(**values)

    def field(self, field: WireField) -> Any:
        if field.is_nullable and not self.has_something():
            return None
        if field.name.endswith("error_code"):
            return int(ERROR_CODES[self.below(len(ERROR_CODES))])
        if field.name.endswith("_ms"):
            return self.below(1 << 30)  # Oracles turn these into durations and times.
        return self.value(field.type)

    def value(self, wire: WireType) -> Any:
        if wire.kind == "fixed":
            if wire.code == "?":
                return self.has_something()
            # Small and large values alike, kept positive for the oracles' narrower types.
            return self.below(1 << (8 * wire.size_bytes - 1 - 8 * self.below(wire.size_bytes)))
        if wire.kind == "uuid":
            return UUID(int=self.below(1 << 52) << 64 | 0x4000_8000_0000_0000_0000)
        if wire.kind == "string":
            return "".join(LETTERS[self.below(len(LETTERS))] for _ in range(1 + self.below(12)))
        if wire.kind in ("bytes", "records"):
            return bytes(self.below(256) for _ in range(self.below(40)))
        if wire.kind == "struct":
            assert wire.struct is not None
            return self.struct(wire.struct)
        assert wire.element is not None
        count = 1 + self.below(3) if self.has_something() else 0
        return tuple(self.value(wire.element) for _ in range(count))
