"""sarama, by the Go program in programs/go/sarama."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from tests.conformance.json_lines import JsonLinesClient
from tests.conformance.toolchains import golang


class SaramaClient(JsonLinesClient):
    name: ClassVar[str] = "sarama"
    lacks: ClassVar[Mapping[str, str]] = {
        "cooperative": "its consumer groups rebalance eagerly",
        **dict.fromkeys(("KIP-848", "migration"), "it speaks the classic protocol alone"),
    }

    def argv(self) -> Sequence[str]:
        return golang.program("sarama")
