"""The lines of a history: JSON, one per invocation and one per completion.

Every line has `p` (process), `t` (monotonic nanoseconds of the machine), `op` and `type`, which is
`invoke`, `ok`, `fail` (it did not happen) or `info` (it may have). An invocation and its completion
share `n`, a number within the process. The rest depends on `op`:

    run         meta: topics, copies, faults_planned, seed, schedule, versions, command
    client      library, version, role, isolation, is_idempotent: what this process is
    send        tp, v (unique u64 of the topic), k, ts (Unix ms), x (its transaction), source
                (the value it is a copy of); ok: o (offset, null where the client is not told)
    poll        ok only, t0 its invocation; reads {tp: [offsets, values, timestamps]}; x; is_final
    assign      positions {tp: offset or null}; the consumer starts anew there
    seek        tp, o
    rebalance   event (assigned, revoked, lost), group, generation, member, positions {tp: offset}
    commit      group, generation, offsets {tp: offset}, x (they count if it commits)
    committed   ok only, t0; group, offsets {tp: offset or null}: what the coordinator answers
    txn         x, stage (begin, commit, abort)
    list_offsets  ok only, t0; tp, at (-1 end, -2 start, or Unix ms), isolation, o, ts; is_final
    replica     ok; broker, tp, reads as of a poll: the log on a broker's disk; producers {tp:
                [[offset, producer id, its epoch] where these change]}, if they are known
    admin       name, arguments
    nemesis     fault: invoke when it begins, ok when its effect is over; ok: partitions it hit
    phase       name: warm-up, faults, heal, final
    died        who: a process that was killed; what it had under way stays unknown

A line that was cut short by a kill is dropped: its operation counts as unknown.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a history: one file, or every *.jsonl of a directory."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    for file in files:
        yield from read_file(file)


def read_file(path: Path) -> Iterator[Line]:
    """Raises ValueError for a line that is no JSON, unless it is the last and was cut short."""
    with path.open("rb") as file:
        for raw in file:
            if raw.endswith(b"\n"):
                yield json.loads(raw)


def write_lines(path: Path, lines: Iterable[Line]) -> None:
    """Write a whole history to one file."""
    with path.open("w") as file:
        for line in lines:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
