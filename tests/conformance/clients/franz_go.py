"""franz-go, by the Go program in programs/go/franz."""

from collections.abc import Sequence
from typing import ClassVar

from tests.conformance.json_lines import JsonLinesClient
from tests.conformance.toolchains import golang


class FranzGoClient(JsonLinesClient):
    name: ClassVar[str] = "franz-go"

    def argv(self) -> Sequence[str]:
        return golang.program("franz")
