"""What an error says about an operation: that it did not happen, or that nobody knows.

Only an error which is proven to come before the append is a failure. "Not leader" is not one: the
old leader may have appended the batch, and a new one may have kept it.
"""

OK, FAIL, INFO = "ok", "fail", "info"

# Kafka's names. Each is decided by looking at the request, before anything is appended.
BEFORE_THE_APPEND = frozenset(
    {
        "MESSAGE_TOO_LARGE",
        "RECORD_LIST_TOO_LARGE",
        "NOT_ENOUGH_REPLICAS",
        "INVALID_RECORD",
        "INVALID_TIMESTAMP",
        "INVALID_REQUIRED_ACKS",
        "TOPIC_AUTHORIZATION_FAILED",
        "CLUSTER_AUTHORIZATION_FAILED",
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        "GROUP_AUTHORIZATION_FAILED",
        "UNSUPPORTED_FOR_MESSAGE_FORMAT",
        "UNSUPPORTED_COMPRESSION_TYPE",
    }
)
# ILLEGAL_GENERATION is no proof that a commit was not stored: client libraries repeat one whose
# answer was lost, and it is the repetition that comes too late.
BEFORE_THE_COMMIT = frozenset({"GROUP_AUTHORIZATION_FAILED"})


def of_send(error: str | None) -> str:
    """Return the outcome of a send by its error's name; None is success."""
    if error is None:
        return OK
    return FAIL if error in BEFORE_THE_APPEND else INFO


def of_commit(error: str | None) -> str:
    """Return the outcome of an offset commit by its error's name."""
    if error is None:
        return OK
    return FAIL if error in BEFORE_THE_COMMIT else INFO
