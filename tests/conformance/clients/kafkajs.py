"""kafkajs, by the Node.js program programs/node/kafkajs.js."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from tests.conformance.json_lines import JsonLinesClient
from tests.conformance.toolchains import node


class KafkajsClient(JsonLinesClient):
    name: ClassVar[str] = "kafkajs"
    lacks: ClassVar[Mapping[str, str]] = {
        "null header": "its encoder refuses a header without a value",
        "cooperative": "its consumers rebalance eagerly",
        "static members": "it knows no group.instance.id",
        **dict.fromkeys(("KIP-848", "migration"), "it speaks the classic protocol alone"),
    }

    def argv(self) -> Sequence[str]:
        return node.program("kafkajs.js")
