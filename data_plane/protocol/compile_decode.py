"""Compile a declaration to one flat decode function per version.

Every count is checked against the bytes left and the least size of its element before anything is
allocated, and the elements of one message have a common limit, so that a small lie cannot cost
much memory. Runs of fixed-size fields become one struct unpack.
"""

import dataclasses
import struct
from collections.abc import Callable
from typing import Any, Final

from data_plane.protocol import primitives
from data_plane.protocol.compile_fields import WireField, WireType, fields_of, size_min_bytes
from data_plane.protocol.primitives import Buffer, DecodeError
from data_plane.protocol.schema import info_of
from data_plane.protocol.source import Source

# All array elements of one message together: a Metadata answer for 100,000 partitions fits.
ELEMENTS_MAX: Final = 2_000_000


def compile_decoder(cls: type, version: int) -> Callable[[Buffer, int], tuple[Any, int]]:
    """Return a function from (view, at) to (message, next at); it raises DecodeError only."""
    reader = _Decoder(version, version >= info_of(cls).flexible_from)
    reader.compile(cls)
    reader.source.constants["NAME"] = f"{cls.__name__} v{version}"
    return reader.source.function("decode(view, at)")


class _Decoder:
    def __init__(self, version: int, is_flexible: bool) -> None:
        self.version = version
        self.is_flexible = is_flexible
        self.source = Source(
            DecodeError=DecodeError,
            ELEMENTS_MAX=ELEMENTS_MAX,
            UUID=primitives.uuid_from_bytes,
            read_uvarint=primitives.read_uvarint,
            skip_tags=primitives.skip_tags,
            struct_error=struct.error,
            unpack_from=struct.unpack_from,
        )
        self.run: list[tuple[str, str]] = []  # Fixed fields waiting to be unpacked together.

    def compile(self, cls: type) -> None:
        source = self.source
        source.line("size = len(view)")
        source.line("left = ELEMENTS_MAX")
        source.line("try:")
        source.depth += 1
        message = self.struct(cls)
        source.line(f"return {message}, at")
        source.depth -= 1
        source.line("except (IndexError, struct_error, UnicodeDecodeError) as e:")
        source.line("    raise DecodeError(f'{NAME}: {e}') from None")

    def fail(self, condition: str, reason: str) -> None:
        self.source.line(f"if {condition}:")
        self.source.line(f"    raise DecodeError(f'{{NAME}}: {reason}')")

    def flush(self) -> None:
        """Read the waiting run of fixed fields."""
        if not self.run:
            return
        packed = struct.Struct(">" + "".join(code for code, _ in self.run))
        names = ", ".join(name for _, name in self.run)
        unpack = self.source.bind("unpack", packed.unpack_from)
        self.source.line(f"{names}, = {unpack}(view, at)")
        self.source.line(f"at += {packed.size}")
        self.run.clear()

    def struct(self, cls: type) -> str:
        """Read a struct's fields and return the expression that builds it."""
        plain, tags = fields_of(cls, self.version, is_flexible=self.is_flexible)
        values = {field.name: self.value(field.type, field.is_nullable) for field in plain}
        self.flush()
        if self.is_flexible:
            values |= self.tags(tags)
        made = self.source.bind("cls", cls)
        arguments = [
            values.get(field.name) or self.source.bind("default", field.default)
            for field in dataclasses.fields(cls)
        ]
        return f"{made}({', '.join(arguments)})"

    def tags(self, tags: list[tuple[int, WireField]]) -> dict[str, str]:
        """Read a tag section: the known ones into variables, the others skipped, not kept."""
        source = self.source
        if not tags:
            source.line("if view[at]:")
            source.line("    at = skip_tags(view, at)")
            source.line("else:")
            source.line("    at += 1")
            return {}
        values = {}
        for _, field in tags:
            values[field.name] = source.name("t")
            source.line(f"{values[field.name]} = {source.bind('default', field.default)}")
        count, tag, end = source.name("count"), source.name("tag"), source.name("end")
        source.line(f"{count}, at = read_uvarint(view, at)")
        source.line(f"for _ in range({count}):")
        source.depth += 1
        source.line(f"{tag}, at = read_uvarint(view, at)")
        source.line(f"{end}, at = read_uvarint(view, at)")
        source.line(f"{end} += at")
        self.fail(f"{end} > size", "a tagged field runs past the end")
        for number, field in tags:
            source.line(f"if {tag} == {number}:")
            source.depth += 1
            value = self.value(field.type, field.is_nullable)
            self.flush()
            source.line(f"{values[field.name]} = {value}")
            self.fail(f"at != {end}", f"tagged field {number} has a wrong size")
            source.line("continue")
            source.depth -= 1
        source.line(f"at = {end}")
        source.depth -= 1
        return values

    def value(self, wire: WireType, is_nullable: bool) -> str:
        """Read one value; return the name, or for a struct the expression, that holds it."""
        source = self.source
        if wire.kind == "struct":
            return self.nullable_struct(wire) if is_nullable else self.plain_struct(wire)
        value = source.name(wire.kind[0])
        if wire.kind == "fixed":
            self.run.append((wire.code, value))
            return value
        if wire.kind == "uuid":
            self.run.append(("16s", value))
            return f"UUID({value})"
        count = self.count(wire)
        null = f"{count} < 0"
        if is_nullable:
            source.line(f"if {null}:")
            source.line(f"    {value} = None")
            source.line("else:")
            source.depth += 1
        else:
            self.fail(null, "a field is null that may not be")
        if wire.kind == "array":
            self.array(wire, value, count)
        else:
            self.buffer(wire, value, count)
        source.depth -= is_nullable
        return value

    def plain_struct(self, wire: WireType) -> str:
        assert wire.struct is not None
        self.flush()
        value = self.source.name("s")
        self.source.line(f"{value} = {self.struct(wire.struct)}")
        return value

    def nullable_struct(self, wire: WireType) -> str:
        source = self.source
        value, mark = source.name("s"), source.name("mark")
        self.run.append(("b", mark))
        self.flush()
        source.line(f"{value} = None")
        source.line(f"if {mark} >= 0:")
        source.depth += 1
        source.line(f"{value} = {self.plain_struct(wire)}")
        source.depth -= 1
        return value

    def count(self, wire: WireType) -> str:
        """Read a length or count into a name: -1 or less means null."""
        source = self.source
        count = source.name("n")
        if not self.is_flexible:
            self.run.append(("h" if wire.kind == "string" else "i", count))
            self.flush()
            return count
        self.flush()
        source.line(f"{count} = view[at] - 1")
        source.line("at += 1")
        source.line(f"if {count} > 126:")
        source.line(f"    {count}, at = read_uvarint(view, at - 1)")
        source.line(f"    {count} -= 1")
        return count

    def buffer(self, wire: WireType, value: str, count: str) -> None:
        source = self.source
        end = source.name("end")
        source.line(f"{end} = at + {count}")
        self.fail(f"{end} > size", "a field runs past the end")
        taken = {
            "string": "str(view[at:{}], 'utf-8')",
            "bytes": "bytes(view[at:{}])",
            "records": "view[at:{}]",
        }[wire.kind].format(end)
        source.line(f"{value} = {taken}")
        source.line(f"at = {end}")

    def array(self, wire: WireType, value: str, count: str) -> None:
        source = self.source
        element = wire.element
        assert element is not None
        least = size_min_bytes(element, self.version, is_flexible=self.is_flexible)
        self.fail(f"{count} * {least} > size - at", "an array cannot fit in the bytes left")
        source.line(f"left -= {count}")
        self.fail("left < 0", "more array elements than a message may have")
        if element.kind == "fixed":
            source.line(f"{value} = unpack_from(f'>{{{count}}}{element.code}', view, at)")
            source.line(f"at += {count} * {element.size_bytes}")
            return
        items, add = source.name("items"), source.name("add")
        source.line(f"{items} = []")
        source.line(f"{add} = {items}.append")
        source.line(f"for _ in range({count}):")
        source.depth += 1
        if element.kind == "struct":
            assert element.struct is not None
            built = self.struct(element.struct)
        else:
            built = self.value(element, False)
            self.flush()
        source.line(f"{add}({built})")
        source.depth -= 1
        source.line(f"{value} = tuple({items})")
