"""docs/CLIENTS.md: client x feature x version, one part for each kind of run, as it last was."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conformance.features import FEATURES
from tests.conformance.java_tools import TOOLS
from tests.conformance.run import FAILED, LACKING, PASSED, Outcome

SUITES: Final = Path(__file__).with_name("SUITES.md")
RESULTS: Final = "## Suites of other projects\n"
SIGNS: Final = {PASSED: "✓", FAILED: "✗", LACKING: "–"}
AGAIN: Final = "✓*"
ONE, THREE, KILLS = (
    "One broker",
    "Three brokers",
    "Three brokers, one of them killed again and again",
)
APACHE: Final = "Ottla beside Apache Kafka"
TITLES: Final = (ONE, APACHE, THREE, KILLS)
HEAD: Final = """# Foreign clients

Written by `make conformance`, which runs the same scenarios (tests/conformance) through real
clients of other people against `ottla-broker`, and rewrites its part of this file: one broker;
with `ARGS="--brokers 3"` a cluster of three, every topic on all of them, `min.insync.replicas` 2;
with `ARGS="--brokers 3 --kill-every 10"` the same, while one broker after the other dies by
`kill -9`; with `ARGS="--against apache"` one broker, then one of Apache Kafka itself. ✓ shown,
– the client has no such thing (reasons below the first table), ✗ failed. Records cross over: what
one client writes, it and librdkafka read back, and the other way round.

cooperative: members rebalance in increments (KIP-429). static members: who closes and comes back
under its `group.instance.id` finds its partitions (KIP-345). mTLS and SCRAM: TLS with host names
verified, rights by ACLs. beyond a session: a member outlives three SASL sessions of three seconds,
proving itself anew (KIP-368) or, where its client cannot (aiokafka), on a new connection.

"""


@dataclass(slots=True)
class Run:
    """What was under test."""

    brokers: int = 1
    kill_every_s: float = 0.0
    seed: int = 0
    is_apache: bool = False  # one broker of Apache Kafka, in the place of ours

    @property
    def title(self) -> str:
        if self.is_apache:
            return APACHE
        return KILLS if self.kill_every_s else THREE if self.brokers > 1 else ONE


def rewritten(text: str, title: str, told: str) -> str:
    """The whole document `text`, with `told` in place of the part of this title."""
    parts = {title: told}
    for part in text.split("\n## ")[1:]:
        parts.setdefault(part.partition("\n")[0], f"## {part.rstrip()}\n")
    kept = [parts[each] for each in TITLES if each in parts]
    return HEAD + "\n".join([*kept, suites()])


def markdown(run: Run, outcomes: Sequence[Outcome], tools: Outcome) -> str:
    """This run's part of the document."""
    every = [*outcomes, tools]
    lines = [f"## {run.title}", ""]
    if run.kill_every_s:
        lines += [*_told_of_kills(run, every), ""]
    lines += [*_matrix(run, outcomes), "", *_tools(tools), "", *_notes(run, every)]
    return "\n".join(lines).rstrip() + "\n"


def suites() -> str:
    """What the suites of other projects said, noted by hand where they are described."""
    _, _, results = SUITES.read_text().partition(RESULTS)
    assert results, f"{SUITES} has no results"
    return RESULTS + results


def _told_of_kills(run: Run, every: Sequence[Outcome]) -> Iterable[str]:
    ran = sum(result != LACKING for one in every for result in one.features.values())
    hit = sum(len(one.hit) for one in every)
    kills = sum(one.kills for one in every)
    yield f"A kill every {run.kill_every_s:g} s, as leader, follower and controller in turn, drawn"
    yield f"with seed {run.seed}: {kills} kills; {hit} of {ran} scenarios were hit by at least"
    yield f"one. {AGAIN}: shown at a later try, after a failure that is the client's"
    yield "own (below; Apache Kafka would have it fail as well, tests/conformance/allowed.py)."


def _tools(outcome: Outcome) -> Iterable[str]:
    yield f"| Apache Kafka's tools and Streams ({outcome.version or 'NOT RUN'}) | |"
    yield "|---|:-:|"
    for tool in TOOLS:
        yield f"| {tool} | {sign_of(outcome, tool)} |"


def sign_of(outcome: Outcome, feature: str) -> str:
    result = outcome.features.get(feature, "")
    return AGAIN if result == PASSED and outcome.again.get(feature) else SIGNS.get(result, "")


def _matrix(run: Run, outcomes: Sequence[Outcome]) -> Iterable[str]:
    """One column per client, one line per feature: the names of features are long."""
    yield "| | " + " | ".join(outcome.client for outcome in outcomes) + " |"
    yield "|---|" + ":-:|" * len(outcomes)
    yield "| version | " + " | ".join(outcome.version or "NOT RUN" for outcome in outcomes) + " |"
    if run.kill_every_s:
        yield "| hit by kills | " + " | ".join(str(len(one.hit)) for one in outcomes) + " |"
    for feature in FEATURES:
        yield f"| {feature} | " + " | ".join(sign_of(one, feature) for one in outcomes) + " |"


def _notes(run: Run, outcomes: Sequence[Outcome]) -> Iterable[str]:
    """What a client lacks is told once, in the first part."""
    for outcome in outcomes:
        if outcome.not_run:
            yield f"- **{outcome.client}** NOT RUN: {outcome.not_run}"
        for feature, reason in outcome.reasons.items():
            if outcome.features[feature] != LACKING or run.title == ONE:
                yield f"- {SIGNS[outcome.features[feature]]} {outcome.client}, {feature}: {reason}"
        for feature, before in outcome.again.items():
            for reason in dict.fromkeys(before):
                yield f"- {AGAIN} {outcome.client}, {feature}: {reason}"


def plain(run: Run, outcomes: Sequence[Outcome], tools: Outcome | None) -> str:
    """The same for a terminal."""
    width = max(len(feature) for feature in FEATURES)
    lines = [f"{'':{width}}  " + "  ".join(outcome.client for outcome in outcomes)]
    for feature in FEATURES:
        signs = "  ".join(sign_of(one, feature).center(len(one.client)) for one in outcomes)
        lines.append(f"{feature:{width}}  {signs}")
    if tools is not None:
        lines += [f"{sign_of(tools, tool):2} {tool}" for tool in TOOLS]
    every = [*outcomes, *([tools] if tools is not None else [])]
    for outcome in every:
        lines += _summary(outcome)
    if run.kill_every_s:
        lines += _told_of_kills(run, every)
    return "\n".join(lines)


def _summary(outcome: Outcome) -> Iterable[str]:
    """One line for a client, and what failed."""
    if outcome.not_run:
        yield f"{outcome.client}: NOT RUN: {outcome.not_run}"
        return
    counts = ", ".join(
        f"{list(outcome.features.values()).count(result)} {word}"
        for result, word in ((PASSED, "shown"), (LACKING, "lacking"), (FAILED, "failed"))
    )
    yield f"{outcome.client} {outcome.version}: {counts}, {len(outcome.hit)} hit by kills"
    for feature, reason in outcome.reasons.items():
        if outcome.features[feature] == FAILED:
            yield f"  {feature}: {reason}"
    for feature, before in outcome.again.items():
        yield f"  {feature}, {len(before)} tries before: {before[0] if before else ''}"
