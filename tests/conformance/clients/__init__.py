"""One file per client. CLIENTS is the order of the table's columns."""

import importlib
from typing import Final

from tests.conformance.client import Client

# Module and class; imported when it is run, for a client's own package may not be installed.
_TABLE: Final = (
    ("confluent", "ConfluentClient"),
    ("kcat", "KcatClient"),
    ("kafka_python", "KafkaPythonClient"),
    ("aiokafka", "AiokafkaClient"),
    ("java", "JavaClient"),
    ("franz_go", "FranzGoClient"),
    ("sarama", "SaramaClient"),
    ("kafkajs", "KafkajsClient"),
    ("confluent_javascript", "ConfluentJavascriptClient"),
)
NAMES: Final = tuple(module for module, _ in _TABLE)


def client_class(module: str) -> type[Client]:
    """The adapter in `clients/<module>.py`."""
    found: type[Client] = getattr(
        importlib.import_module(f"tests.conformance.clients.{module}"), dict(_TABLE)[module]
    )
    return found
