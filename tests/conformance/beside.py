"""What one broker of ours and one of Apache Kafka showed, client by client, side by side."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.conformance.features import FEATURES
from tests.conformance.java_tools import TOOLS
from tests.conformance.run import FAILED, Outcome
from tests.conformance.table import APACHE, sign_of


class Pair(NamedTuple):
    """One client, or the tools, on both."""

    ours: Outcome
    theirs: Outcome

    def signs(self, feature: str) -> str:
        both = (sign_of(one, feature) or "?" for one in self)
        return " ".join(both)

    def failures(self) -> Iterable[str]:
        """What failed on either, and where it did."""
        for feature in {**self.ours.features, **self.theirs.features}:
            here, there = (one.features.get(feature) == FAILED for one in self)
            if not here and not there:
                continue
            where = "on both" if here and there else "on ours alone" if here else "on Kafka alone"
            reason = (self.ours if here else self.theirs).reasons.get(feature, "")
            yield f"{self.ours.client}, {feature}, failed {where}: {reason}"
        for name, one in zip(("ours", "Kafka"), self, strict=True):
            if one.not_run:
                yield f"{one.client} NOT RUN on {name}: {one.not_run}"


def markdown(version: str, pairs: Sequence[Pair]) -> str:
    """The document's part; the tools are the last pair."""
    *clients, tools = pairs
    lines = [
        f"## {APACHE}",
        "",
        f"The same scenarios on one broker of Apache Kafka {version}, a node alone in KRaft mode,",
        "from the jars of its tools. In each cell ours stands left, Kafka's right: what fails on",
        "both is no deviation of ours.",
        "",
        "| | " + " | ".join(pair.ours.client for pair in clients) + " |",
        "|---|" + ":-:|" * len(clients),
        "| version | " + " | ".join(pair.ours.version for pair in clients) + " |",
    ]
    for feature in FEATURES:
        lines.append(f"| {feature} | " + " | ".join(one.signs(feature) for one in clients) + " |")
    lines += ["", f"| Apache Kafka's tools and Streams ({tools.ours.version}) | |", "|---|:-:|"]
    lines += [f"| {tool} | {tools.signs(tool)} |" for tool in TOOLS]
    failed = [f"- {line}" for pair in pairs for line in pair.failures()]
    return "\n".join([*lines, "", *(failed or ["Nothing failed on either."])]) + "\n"


def plain(pairs: Sequence[Pair]) -> Iterable[str]:
    """For a terminal: what failed, and on which; nothing where all is well."""
    for pair in pairs:
        yield from (f"  {line}" for line in pair.failures())
    yield f"failed on ours: {failed_of(one.ours for one in pairs)}, on Apache Kafka: " + str(
        failed_of(one.theirs for one in pairs)
    )


def failed_of(outcomes: Iterable[Outcome]) -> int:
    return sum(result == FAILED for one in outcomes for result in one.features.values())
