"""The checker put to the test: what it must find, what it must not, how fast it is."""

import json
import random
import resource
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.checker.defects import DEFECTS, NoPlace, plant
from tests.checker.history import History
from tests.checker.lines import Line, read_lines
from tests.checker.verdict import Demands, Verdict, judge
from tests.checker.worlds import valid_history

SMALL = Demands(ok_sends_min=100)  # of generated histories, which are short
TRIES_MAX = 32
FALSE_ALARMS_SHOWN = 5


def verdict_of(lines: Iterable[Line]) -> Verdict:
    return judge(History.of(lines), SMALL)


def find_planted(name: str, seed: int) -> tuple[bool, list[str]]:
    """Plant a defect into the first history from `seed` on that has a place for it.

    Returns whether the named anomaly was found, and all that was.
    """
    for number in range(seed, seed + TRIES_MAX):
        try:
            lines = plant(name, valid_history(number), random.Random(number))
        except NoPlace:
            continue
        verdict = verdict_of(lines)
        is_found = DEFECTS[name][1] in verdict.anomalies and verdict.valid is False
        return is_found, sorted(verdict.anomalies)
    raise AssertionError(f"no history of {TRIES_MAX} has a place for: {name}")


def prove(histories: int, seed: int) -> int:
    """Print what was found and what was not; 1 if a defect was missed or an alarm was false."""
    began_s = time.monotonic()
    missed = []
    for name, (number, anomaly, _) in DEFECTS.items():
        is_found, found = find_planted(name, seed)
        print(f"{number:3} {name:34}{anomaly:24}{'found' if is_found else 'MISSED'}  {found}")
        missed += [] if is_found else [name]
    invariants = {number for number, _, _ in DEFECTS.values()}
    lost = {DEFECTS[name][0] for name in missed}
    print(
        f"planted defects: {len(DEFECTS) - len(missed)} of {len(DEFECTS)} found; "
        f"invariants: {len(invariants - lost)} of {len(invariants)}"
    )
    alarms = false_alarms(range(seed, seed + histories))
    for number, found in alarms[:FALSE_ALARMS_SHOWN]:
        print(f"false alarm: seed {number}: {found}")
    print(
        f"valid histories: {len(alarms)} false alarms of {histories} "
        f"(seeds {seed} to {seed + histories - 1}), {time.monotonic() - began_s:.0f} s"
    )
    return int(bool(missed or alarms))


def false_alarms(seeds: Iterable[int]) -> list[tuple[int, list[str]]]:
    """Return the seeds of valid histories that were not judged valid, and why."""
    found = []
    for number in seeds:
        verdict = verdict_of(valid_history(number))
        if verdict.valid is not True:
            found.append((number, [*verdict.anomalies, *verdict.unknown_because]))
    return found


def time_sends(count: int) -> int:
    """Judge a history of `count` sends, each read six times; print seconds and memory."""
    with tempfile.TemporaryDirectory(prefix="ottla-checker-") as folder:
        path = Path(folder) / "large.jsonl"
        with path.open("w") as file:
            file.writelines(json.dumps(x, separators=(",", ":")) + "\n" for x in large(count))
        size_mb = path.stat().st_size / 1e6
        began_s = time.monotonic()
        verdict = judge(History.of(read_lines(path)), Demands())
        taken_s = time.monotonic() - began_s
    memory_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{count:,} sends, {size_mb:.0f} MB of lines: {taken_s:.1f} s, {memory_gb:.2f} GB peak")
    print(f"verdict: {verdict.valid} {verdict.unknown_because} {list(verdict.anomalies)}")
    return verdict.exit_code


def large(count: int) -> Iterator[Line]:
    """Eight producers, six partitions; a tail, a group, and four final readers."""
    partitions = [f"wide-{number}" for number in range(6)]
    logs: dict[str, list[int]] = {partition: [] for partition in partitions}
    t = 1_000_000_000
    yield {"p": "nemesis", "t": t, "op": "run", "type": "info", "meta": {"faults_planned": 1}}
    yield {"p": "nemesis", "t": t, "op": "nemesis", "type": "invoke", "n": 1, "fault": "kill"}
    yield {"p": "nemesis", "t": t, "op": "nemesis", "type": "ok", "n": 1}
    for value in range(count):
        process, partition = f"producer-{value % 8}", partitions[value % 6]
        t += 5_000
        yield {
            "p": process,
            "t": t,
            "op": "send",
            "type": "invoke",
            "n": value,
            "tp": partition,
            "v": value,
            "k": value % 512,
            "ts": sent_ms(value),
        }
        yield {
            "p": process,
            "t": t + 900_000,
            "op": "send",
            "type": "ok",
            "n": value,
            "o": len(logs[partition]),
        }
        logs[partition].append(value)
    for library in ("confluent-kafka", "kafka-python"):
        for isolation in ("read_uncommitted", "read_committed"):
            for role in ("final", "tail"):
                process = f"{role}-{library}-{isolation}"
                yield {
                    "p": process,
                    "t": t,
                    "op": "client",
                    "type": "info",
                    "library": library,
                    "role": role,
                    "isolation": isolation,
                }
                if role == "final" or library == "kafka-python":
                    yield from whole_read(process, logs, t, is_final=role == "final")


def whole_read(
    process: str, logs: dict[str, list[int]], t: int, *, is_final: bool
) -> Iterator[Line]:
    yield {"p": process, "t": t, "op": "assign", "type": "ok", "positions": dict.fromkeys(logs, 0)}
    for partition, values in logs.items():
        for first in range(0, len(values), 500):
            some = values[first : first + 500]
            offsets = list(range(first, first + len(some)))
            yield {
                "p": process,
                "t": t,
                "op": "poll",
                "type": "ok",
                "is_final": is_final,
                "reads": {partition: [offsets, some, [*map(sent_ms, some)]]},
            }


def sent_ms(value: int) -> int:
    return value // 200
