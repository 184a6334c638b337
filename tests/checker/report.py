"""What a verdict leaves behind: result.json, report.md, and a picture of each bad partition."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.checker.anomalies import Anomaly
from tests.checker.history import History
from tests.checker.plot import draw
from tests.checker.verdict import Verdict

PICTURES_MAX = 16


def result(verdict: Verdict) -> dict[str, Any]:
    """Return the content of result.json; counts always stand beside their N."""
    history = verdict.views.history
    meta = history.meta
    return {
        "valid": verdict.valid,
        "unknown_because": verdict.unknown_because,
        "n": operations(history),
        "faults_done": verdict.faults,
        "anomalies": {
            name: {
                "count": found.count,
                "partitions": sorted(found.partitions),
                "witnesses": [shown(one) for one in found.witnesses],
            }
            for name, found in sorted(verdict.anomalies.items())
        },
        "allowed": verdict.allowed,
        "gaps": verdict.gaps,
        "seconds": round((history.ended_at - history.phases.get("warm-up", 0)) / 1e9, 3),
        "seed": meta.get("seed"),
        "schedule": meta.get("schedule", []),
        "versions": meta.get("versions", {}),
        "command": meta.get("command", ""),
    }


def operations(history: History) -> dict[str, dict[str, int]]:
    """Count lines by operation and type."""
    counts: dict[str, Counter[str]] = {}
    for name, count in history.counts.items():
        op, kind = name.split(" ")
        counts.setdefault(op, Counter())[kind] += count
    return {op: dict(sorted(kinds.items())) for op, kinds in sorted(counts.items())}


def shown(anomaly: Anomaly) -> dict[str, Any]:
    where = {"partition": anomaly.partition} if anomaly.partition else {}
    return where | anomaly.witness


def write_report(verdict: Verdict, folder: Path) -> dict[str, Any]:
    """Write everything into `folder` and return result.json's content."""
    folder.mkdir(parents=True, exist_ok=True)
    content = result(verdict)
    (folder / "result.json").write_text(json.dumps(content, indent=1) + "\n")
    (folder / "report.md").write_text(markdown(content))
    bad = sorted({p for found in verdict.anomalies.values() for p in found.partitions})
    for partition in bad[:PICTURES_MAX]:
        (folder / f"{partition}.svg").write_text(draw(verdict, partition))
    return content


def markdown(content: dict[str, Any]) -> str:
    """One page for people."""
    word = {True: "valid", False: "BAD", "unknown": "unknown"}[content["valid"]]
    lines = [f"# History: {word}", ""]
    lines += [f"- unknown because: {reason}" for reason in content["unknown_because"]]
    faults = sum(content["faults_done"].values())
    sends = content["n"].get("send", {})
    outcomes = {"acknowledged": "ok", "failed": "fail", "unknown": "info"}
    ended = ", ".join(f"{sends.get(kind, 0):,} {word}" for word, kind in outcomes.items())
    lines += [
        f"- {sends.get('invoke', 0):,} sends: {ended}",
        f"- {faults} faults: " + told(content["faults_done"]),
        f"- {content['seconds']} s, seed {content['seed']}",
        f"- allowed by Kafka: {told(content['allowed'])}",
        f"- again: `{content['command']}`",
        "",
        "| anomaly | count | partitions | smallest witness |",
        "|---|--:|---|---|",
    ]
    for name, found in content["anomalies"].items():
        witness = json.dumps(found["witnesses"][0])[:200].replace("|", "/")
        lines.append(
            f"| {name} | {found['count']} | {' '.join(found['partitions'][:4])} | `{witness}` |"
        )
    if not content["anomalies"]:
        lines.append("| none | 0 | | |")
    lines += ["", "| fault | N | p50 s | p99 s | max s |", "|---|--:|--:|--:|--:|"]
    for name, one in content["gaps"]["by_fault"].items():
        lines.append(
            f"| {name} | {one['n']} | {one.get('p50', '')} | {one.get('p99', '')} "
            f"| {one.get('max', '')} |"
        )
    lines += ["", "| operation | " + "invoke | ok | fail | info |", "|---|--:|--:|--:|--:|"]
    for op, kinds in content["n"].items():
        row = " | ".join(str(kinds.get(kind, "")) for kind in ("invoke", "ok", "fail", "info"))
        lines.append(f"| {op} | {row} |")
    return "\n".join(lines) + "\n"


def told(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
