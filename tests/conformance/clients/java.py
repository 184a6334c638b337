"""The Java clients: KafkaProducer, KafkaConsumer and Admin of Apache Kafka."""

from collections.abc import Sequence
from typing import ClassVar

from tests.conformance.json_lines import JsonLinesClient
from tests.conformance.toolchains import java


class JavaClient(JsonLinesClient):
    name: ClassVar[str] = "Java"

    def argv(self) -> Sequence[str]:
        return java.command("Commands")
