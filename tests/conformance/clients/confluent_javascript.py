"""@confluentinc/kafka-javascript (librdkafka), by programs/node/confluent.js."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from tests.conformance.json_lines import JsonLinesClient
from tests.conformance.toolchains import node


class ConfluentJavascriptClient(JsonLinesClient):
    name: ClassVar[str] = "kafka-javascript"
    lacks: ClassVar[Mapping[str, str]] = {
        "empty, not null": "its producer writes null where key, value or header is empty",
        "null header": "it refuses a header without a value",
        "add partitions": "its admin client cannot",
        "configs": "its admin client has no config calls",
        "ACLs": "its admin client has no ACL calls",
    }

    def argv(self) -> Sequence[str]:
        return node.program("confluent.js", is_native=True)
