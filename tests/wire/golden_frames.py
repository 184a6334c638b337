"""Whole frames of every API and version, as hex in golden/*.hex: one file per API.

A line is `request|response version full|empty hex`; the frame has its size and header. Written by
`python -m tests.wire.golden_frames`; a diff of these files is a change of what goes over the wire.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data_plane.protocol.framing import frame
from data_plane.protocol.headers import (
    RequestHeader,
    encode_request_header,
    encode_response_header,
)
from data_plane.protocol.schema import encode, info_of
from tests.wire.samples import EMPTY, FULL, Case, cases, sample

GOLDEN = Path(__file__).parent / "golden"
CORRELATION_ID = 0x01020304
SEED = 4242


class Golden(NamedTuple):
    """One golden frame."""

    case: Case
    fill: str  # full or empty
    data: bytes

    @property
    def id(self) -> str:
        return f"{self.case.id}-{self.fill}"


def header_of(case: Case) -> bytes:
    """The header before this message."""
    if info_of(case.cls).kind == "request":
        return encode_request_header(
            RequestHeader(case.spec.key, case.version, CORRELATION_ID, "golden")
        )
    return encode_response_header(case.spec.key, case.version, CORRELATION_ID)


def make_frame(case: Case, fill: str) -> bytes:
    """The frame of this case as the encoder makes it now."""
    fullness = FULL if fill == "full" else EMPTY
    message = sample(case, random.Random(SEED), fullness)
    return frame(header_of(case), encode(message, case.version))


def read_golden() -> Iterator[Golden]:
    """Every frame in the files, with the case it belongs to."""
    known = {(case.spec.module, info_of(case.cls).kind, case.version): case for case in cases()}
    for path in sorted(GOLDEN.glob("*.hex")):
        for line in path.read_text().splitlines():
            kind, version, fill, text = line.split()
            case = known[path.stem, kind, int(version)]
            yield Golden(case, fill, bytes.fromhex(text))


def main() -> None:
    """Write all files anew."""
    lines: dict[str, list[str]] = defaultdict(list)
    for case in cases():
        kind = info_of(case.cls).kind
        for fill in ("full", "empty"):
            text = make_frame(case, fill).hex()
            lines[case.spec.module].append(f"{kind} {case.version} {fill} {text}")
    for name, rows in lines.items():
        (GOLDEN / f"{name}.hex").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
