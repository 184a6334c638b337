"""Two client libraries behind one small surface, so that each workload runs on both."""

from tests.chaos.clients.base import Consumer, Library, Producer
from tests.chaos.clients.confluent import Confluent
from tests.chaos.clients.kafka_python import KafkaPython

LIBRARIES: dict[str, Library] = {"confluent-kafka": Confluent(), "kafka-python": KafkaPython()}

__all__ = ["LIBRARIES", "Consumer", "Library", "Producer"]
