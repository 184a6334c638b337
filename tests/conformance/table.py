"""docs/CLIENTS.md: client x feature x version, as the last whole run found it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.conformance.features import FEATURES
from tests.conformance.java_tools import TOOLS
from tests.conformance.run import FAILED, LACKING, PASSED, Outcome

SUITES: Final = Path(__file__).with_name("SUITES.md")
RESULTS: Final = "## Suites of other projects\n"
SIGNS: Final = {PASSED: "✓", FAILED: "✗", LACKING: "–"}
HEAD: Final = """# Foreign clients

Written by `make conformance`, which runs the same scenarios (tests/conformance) through real
clients of other people against one `ottla-broker`, and rewrites this file. ✓ shown, – the client
has no such thing (reasons below the table), ✗ failed. Records cross over: what one client writes,
it and librdkafka read back, and the other way round.

cooperative: members rebalance in increments (KIP-429). static members: who closes and comes back
under its `group.instance.id` finds its partitions (KIP-345). mTLS and SCRAM: TLS with host names
verified, rights by ACLs. beyond a session: a member outlives three SASL sessions of three seconds,
proving itself anew (KIP-368) or, where its client cannot (aiokafka), on a new connection.

"""


def markdown(outcomes: Sequence[Outcome], tools: Outcome) -> str:
    """The whole document."""
    lines = [*_matrix(outcomes), "", *_notes(outcomes), "", *_tools(tools), "", *_notes([tools])]
    return HEAD + "\n".join(lines).rstrip() + "\n\n" + suites()


def suites() -> str:
    """What the suites of other projects said, noted by hand where they are described."""
    _, _, results = SUITES.read_text().partition(RESULTS)
    assert results, f"{SUITES} has no results"
    return RESULTS + results


def _tools(outcome: Outcome) -> Iterable[str]:
    yield f"## Apache Kafka's command-line tools and Streams ({outcome.version or 'NOT RUN'})"
    yield ""
    yield "| tool | |"
    yield "|---|:-:|"
    for tool in TOOLS:
        yield f"| {tool} | {SIGNS.get(outcome.features.get(tool, ''), '')} |"


def _matrix(outcomes: Sequence[Outcome]) -> Iterable[str]:
    """One column per client, one line per feature: the names of features are long."""
    yield "| | " + " | ".join(outcome.client for outcome in outcomes) + " |"
    yield "|---|" + ":-:|" * len(outcomes)
    yield "| version | " + " | ".join(outcome.version or "NOT RUN" for outcome in outcomes) + " |"
    for feature in FEATURES:
        signs = (SIGNS.get(outcome.features.get(feature, ""), "") for outcome in outcomes)
        yield f"| {feature} | " + " | ".join(signs) + " |"


def _notes(outcomes: Sequence[Outcome]) -> Iterable[str]:
    for outcome in outcomes:
        if outcome.not_run:
            yield f"- **{outcome.client}** NOT RUN: {outcome.not_run}"
        for feature, reason in outcome.reasons.items():
            sign = SIGNS[outcome.features[feature]]
            yield f"- {sign} {outcome.client}, {feature}: {reason}"


def plain(outcomes: Sequence[Outcome], tools: Outcome | None) -> str:
    """The same for a terminal."""
    width = max(len(feature) for feature in FEATURES)
    lines = [f"{'':{width}}  " + "  ".join(outcome.client for outcome in outcomes)]
    for feature in FEATURES:
        signs = "  ".join(
            SIGNS.get(outcome.features.get(feature, ""), " ").center(len(outcome.client))
            for outcome in outcomes
        )
        lines.append(f"{feature:{width}}  {signs}")
    if tools is not None:
        lines += [f"{SIGNS.get(tools.features.get(tool, ''), ' ')} {tool}" for tool in TOOLS]
    for outcome in [*outcomes, *([tools] if tools is not None else [])]:
        state = f"NOT RUN: {outcome.not_run}" if outcome.not_run else outcome.version
        lines.append(f"{outcome.client}: {state}")
        lines += [
            f"  {feature}: {reason}"
            for feature, reason in outcome.reasons.items()
            if outcome.features[feature] == FAILED
        ]
    return "\n".join(lines)
