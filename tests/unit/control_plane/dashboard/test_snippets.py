"""Every way to connect verifies certificates and host names, and the Python ones compile."""

import ast

import pytest

from control_plane.dashboard.snippets import Snippet, snippets

ALL = snippets(app="flights", prefix="KAFKA_BLUE")


@pytest.mark.parametrize("snippet", ALL, ids=lambda each: each.label)
def test_each_uses_the_attachments_vars_and_verifies(snippet: Snippet) -> None:
    for part in ("URL", "TRUSTED_CERT", "CLIENT_CERT", "CLIENT_CERT_KEY"):
        assert part in snippet.code
    assert "KAFKA_BLUE_" in snippet.code
    lowered = snippet.code.lower()
    for careless in (
        "verify=false",
        "insecure",
        "rejectunauthorized",
        "cert_none",
        "check_hostname",
    ):
        assert careless not in lowered


@pytest.mark.parametrize("label", ["confluent-kafka", "kafka-python", "aiokafka"])
def test_python_is_python(label: str) -> None:
    (snippet,) = [each for each in ALL if label in each.label]
    assert ast.parse(snippet.code)
