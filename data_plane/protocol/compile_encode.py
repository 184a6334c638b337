"""Compile a declaration to one flat encode function per version.

The function appends to a list and joins it; runs of fixed-size fields become one struct pack, and
nested structs and arrays are loops in the same body, so a partition row costs no extra call.
"""

import struct
from collections.abc import Callable
from typing import Any

from data_plane.protocol import primitives
from data_plane.protocol.compile_fields import WireField, WireType, fields_of
from data_plane.protocol.primitives import EncodeError
from data_plane.protocol.schema import EncodedRows
from data_plane.protocol.source import Source

LENGTH_CODES = {"string": "h", "bytes": "i", "records": "i", "array": "i"}
NULLS = {"h": b"\xff\xff", "i": b"\xff\xff\xff\xff"}


def compile_encoder(cls: type, version: int, *, is_flexible: bool) -> Callable[[Any], bytes]:
    """Return a function from a `cls` to its bytes at `version`; it raises EncodeError only."""
    writer = _Encoder(version, is_flexible)
    writer.compile(cls)
    source = writer.source
    source.constants["NAME"] = f"{cls.__name__} v{version}"
    return source.function("encode(m)")


class _Encoder:
    def __init__(self, version: int, is_flexible: bool) -> None:
        self.version = version
        self.is_flexible = is_flexible
        self.source = Source(
            U=primitives.UVARINTS,
            uvarint=primitives.uvarint,
            int_array=primitives.int_array,
            compact_int32s=primitives.compact_int32s,
            EncodedRows=EncodedRows,
            EncodeError=EncodeError,
            struct_error=struct.error,
        )
        self.run: list[tuple[str, str]] = []  # Fixed fields waiting to be packed together.

    def compile(self, cls: type) -> None:
        source = self.source
        source.line("try:")
        source.depth += 1
        source.line("out = []")
        source.line("w = out.append")
        self.struct(cls, "m", "w")
        self.flush("w")
        source.depth -= 1
        source.line("except (struct_error, AttributeError, TypeError, UnicodeEncodeError) as e:")
        source.line("    raise EncodeError(f'{NAME}: {e}') from e")
        source.line("return b''.join(out)")

    def flush(self, w: str) -> None:
        """Write the waiting run of fixed fields."""
        if not self.run:
            return
        pack = struct.Struct(">" + "".join(code for code, _ in self.run)).pack
        values = [value for _, value in self.run]
        if all(value.isdigit() for value in values):
            self.source.line(f"{w}({pack(*map(int, values))!r})")
        else:
            self.source.line(f"{w}({self.source.bind('pack', pack)}({', '.join(values)}))")
        self.run.clear()

    def struct(self, cls: type, expression: str, w: str) -> None:
        plain, tags = fields_of(cls, self.version, is_flexible=self.is_flexible)
        for field in plain:
            self.value(field.type, f"{expression}.{field.name}", field.is_nullable, w)
        if not self.is_flexible:
            return
        if tags:
            self.tags(tags, expression, w)
        else:
            self.run.append(("B", "0"))

    def tags(self, tags: list[tuple[int, WireField]], expression: str, w: str) -> None:
        """Write the tag section: ascending, never a field that has its default value."""
        source = self.source
        self.flush(w)
        found = source.name("tags")
        source.line(f"{found} = []")
        for tag, field in tags:
            default = source.bind("default", field.default)
            value = source.name("t")
            source.line(f"{value} = {expression}.{field.name}")
            source.line(f"if {value} != {default}:")
            source.depth += 1
            parts = source.name("parts")
            source.line(f"{parts} = []")
            inner = f"{parts}.append"
            self.value(field.type, value, field.is_nullable, inner)
            self.flush(inner)
            body = source.name("body")
            source.line(f"{body} = b''.join({parts})")
            source.line(f"{found}.append({primitives.uvarint(tag)!r})")
            source.line(f"{found}.append(uvarint(len({body})))")
            source.line(f"{found}.append({body})")
            source.depth -= 1
        source.line(f"{w}(uvarint(len({found}) // 3))")
        source.line(f"if {found}:")
        source.line(f"    {w}(b''.join({found}))")

    def value(self, wire: WireType, expression: str, is_nullable: bool, w: str) -> None:
        if wire.kind == "fixed":
            self.run.append((wire.code, expression))
        elif wire.kind == "uuid":
            self.run.append(("16s", f"{expression}.bytes"))
        elif not is_nullable:
            self.present(wire, expression, w)
        else:
            self.flush(w)
            value = self.source.name("v")
            self.source.line(f"{value} = {expression}")
            self.source.line(f"if {value} is None:")
            self.source.line(f"    {w}({self.null_of(wire)!r})")
            self.source.line("else:")
            self.source.depth += 1
            if wire.kind == "struct":
                self.run.append(("b", "1"))
            self.present(wire, value, w)
            self.flush(w)
            self.source.depth -= 1

    def null_of(self, wire: WireType) -> bytes:
        if wire.kind == "struct":
            return b"\xff"
        return b"\0" if self.is_flexible else NULLS[LENGTH_CODES[wire.kind]]

    def length(self, wire: WireType, count: str, w: str) -> None:
        if not self.is_flexible:
            self.run.append((LENGTH_CODES[wire.kind], count))
            self.flush(w)
            return
        self.flush(w)
        size = self.source.name("n")
        self.source.line(f"{size} = {count} + 1")
        self.source.line(f"{w}(U[{size}] if {size} < 1024 else uvarint({size}))")

    def present(self, wire: WireType, expression: str, w: str) -> None:
        """Write a value that is not null."""
        if wire.kind == "struct":
            assert wire.struct is not None
            value = self.source.name("s")
            self.source.line(f"{value} = {expression}")
            self.struct(wire.struct, value, w)
        elif wire.kind == "array":
            self.array(wire, expression, w)
        else:
            value = self.source.name("b")
            suffix = ".encode()" if wire.kind == "string" else ""
            self.source.line(f"{value} = {expression}{suffix}")
            self.length(wire, f"len({value})", w)
            self.source.line(f"{w}({value})")

    def array(self, wire: WireType, expression: str, w: str) -> None:
        source = self.source
        element = wire.element
        assert element is not None
        if self.is_flexible and element.code == "i":
            self.flush(w)
            source.line(f"{w}(compact_int32s({expression}))")
            return
        items = source.name("a")
        source.line(f"{items} = {expression}")
        self.length(wire, f"len({items})", w)
        if element.kind == "fixed":
            source.line(f"{w}(int_array({element.code!r}, {items}))")
            return
        item = source.name("i")
        if element.kind == "struct":
            source.line(f"if type({items}) is EncodedRows:")
            source.line(f"    {w}({items}.data)")
            source.line(f"    {items} = ()")
        source.line(f"for {item} in {items}:")
        source.depth += 1
        if element.kind == "struct":
            assert element.struct is not None
            self.struct(element.struct, item, w)
        else:
            self.value(element, item, False, w)
        self.flush(w)
        source.depth -= 1
