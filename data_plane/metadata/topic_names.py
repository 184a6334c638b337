"""Which topic names are legal (Kafka's org.apache.kafka.common.internals.Topic)."""

import re
from collections.abc import Iterable

from data_plane.protocol.errors import ErrorCode, KafkaError

NAME_LENGTH_MAX = 249
METADATA_TOPIC = "__cluster_metadata"

_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")


class InvalidTopic(KafkaError):
    default_code = ErrorCode.INVALID_TOPIC_EXCEPTION


def check_topic_name(name: str) -> None:
    """Raise InvalidTopic, with the reason, unless `name` may name a topic."""
    if not name:
        raise InvalidTopic("Topic name is invalid: the empty string is not allowed")
    if name in (".", ".."):
        raise InvalidTopic("Topic name is invalid: '.' or '..' is not allowed")
    if len(name) > NAME_LENGTH_MAX:
        raise InvalidTopic(f"Topic name is invalid: longer than {NAME_LENGTH_MAX} characters")
    if _LEGAL.fullmatch(name) is None:
        raise InvalidTopic(
            "Topic name is invalid: it contains one or more characters other than "
            "ASCII alphanumerics, '.', '_' and '-'"
        )


def collision(name: str, others: Iterable[str]) -> str | None:
    """Return a name of `others` that differs from `name` only in `.` against `_`, or None.

    Metric names write both as `_`, so two such topics could not be told apart there.
    """
    if "." not in name and "_" not in name:
        return None
    folded = name.replace(".", "_")
    return next((o for o in others if o != name and o.replace(".", "_") == folded), None)
