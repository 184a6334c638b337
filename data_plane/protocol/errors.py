"""The one catalogue of Kafka error codes, and the exceptions that carry them.

Each code has Kafka's name and number, whether a client may retry, and a default text. Code below
the dispatcher raises a KafkaError; the dispatcher turns it into the code of a response built for
the request's own version (KAFKA-3427). Source: the protocol guide's table of error codes.
"""

from enum import IntEnum
from typing import ClassVar


class ErrorCode(IntEnum):
    """Kafka's error codes; `.is_retriable` and `.text` say what to do and what happened."""

    UNKNOWN_SERVER_ERROR = -1
    NONE = 0
    OFFSET_OUT_OF_RANGE = 1
    CORRUPT_MESSAGE = 2
    UNKNOWN_TOPIC_OR_PARTITION = 3
    INVALID_FETCH_SIZE = 4
    LEADER_NOT_AVAILABLE = 5
    NOT_LEADER_OR_FOLLOWER = 6
    REQUEST_TIMED_OUT = 7
    BROKER_NOT_AVAILABLE = 8
    REPLICA_NOT_AVAILABLE = 9
    MESSAGE_TOO_LARGE = 10
    STALE_CONTROLLER_EPOCH = 11
    OFFSET_METADATA_TOO_LARGE = 12
    NETWORK_EXCEPTION = 13
    COORDINATOR_LOAD_IN_PROGRESS = 14
    COORDINATOR_NOT_AVAILABLE = 15
    NOT_COORDINATOR = 16
    INVALID_TOPIC_EXCEPTION = 17
    RECORD_LIST_TOO_LARGE = 18
    NOT_ENOUGH_REPLICAS = 19
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20
    INVALID_REQUIRED_ACKS = 21
    ILLEGAL_GENERATION = 22
    INCONSISTENT_GROUP_PROTOCOL = 23
    INVALID_GROUP_ID = 24
    UNKNOWN_MEMBER_ID = 25
    INVALID_SESSION_TIMEOUT = 26
    REBALANCE_IN_PROGRESS = 27
    INVALID_COMMIT_OFFSET_SIZE = 28
    TOPIC_AUTHORIZATION_FAILED = 29
    GROUP_AUTHORIZATION_FAILED = 30
    CLUSTER_AUTHORIZATION_FAILED = 31
    INVALID_TIMESTAMP = 32
    UNSUPPORTED_SASL_MECHANISM = 33
    ILLEGAL_SASL_STATE = 34
    UNSUPPORTED_VERSION = 35
    TOPIC_ALREADY_EXISTS = 36
    INVALID_PARTITIONS = 37
    INVALID_REPLICATION_FACTOR = 38
    INVALID_REPLICA_ASSIGNMENT = 39
    INVALID_CONFIG = 40
    NOT_CONTROLLER = 41
    INVALID_REQUEST = 42
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43
    POLICY_VIOLATION = 44
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    DUPLICATE_SEQUENCE_NUMBER = 46
    INVALID_PRODUCER_EPOCH = 47
    INVALID_TXN_STATE = 48
    INVALID_PRODUCER_ID_MAPPING = 49
    INVALID_TRANSACTION_TIMEOUT = 50
    CONCURRENT_TRANSACTIONS = 51
    TRANSACTION_COORDINATOR_FENCED = 52
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
    SECURITY_DISABLED = 54
    OPERATION_NOT_ATTEMPTED = 55
    KAFKA_STORAGE_ERROR = 56
    LOG_DIR_NOT_FOUND = 57
    SASL_AUTHENTICATION_FAILED = 58
    UNKNOWN_PRODUCER_ID = 59
    REASSIGNMENT_IN_PROGRESS = 60
    DELEGATION_TOKEN_AUTH_DISABLED = 61
    DELEGATION_TOKEN_NOT_FOUND = 62
    DELEGATION_TOKEN_OWNER_MISMATCH = 63
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65
    DELEGATION_TOKEN_EXPIRED = 66
    INVALID_PRINCIPAL_TYPE = 67
    NON_EMPTY_GROUP = 68
    GROUP_ID_NOT_FOUND = 69
    FETCH_SESSION_ID_NOT_FOUND = 70
    INVALID_FETCH_SESSION_EPOCH = 71
    LISTENER_NOT_FOUND = 72
    TOPIC_DELETION_DISABLED = 73
    FENCED_LEADER_EPOCH = 74
    UNKNOWN_LEADER_EPOCH = 75
    UNSUPPORTED_COMPRESSION_TYPE = 76
    STALE_BROKER_EPOCH = 77
    OFFSET_NOT_AVAILABLE = 78
    MEMBER_ID_REQUIRED = 79
    PREFERRED_LEADER_NOT_AVAILABLE = 80
    GROUP_MAX_SIZE_REACHED = 81
    FENCED_INSTANCE_ID = 82
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83
    ELECTION_NOT_NEEDED = 84
    NO_REASSIGNMENT_IN_PROGRESS = 85
    GROUP_SUBSCRIBED_TO_TOPIC = 86
    INVALID_RECORD = 87
    UNSTABLE_OFFSET_COMMIT = 88
    THROTTLING_QUOTA_EXCEEDED = 89
    PRODUCER_FENCED = 90
    RESOURCE_NOT_FOUND = 91
    DUPLICATE_RESOURCE = 92
    UNACCEPTABLE_CREDENTIAL = 93
    INCONSISTENT_VOTER_SET = 94
    INVALID_UPDATE_VERSION = 95
    FEATURE_UPDATE_FAILED = 96
    PRINCIPAL_DESERIALIZATION_FAILURE = 97
    SNAPSHOT_NOT_FOUND = 98
    POSITION_OUT_OF_RANGE = 99
    UNKNOWN_TOPIC_ID = 100
    DUPLICATE_BROKER_REGISTRATION = 101
    BROKER_ID_NOT_REGISTERED = 102
    INCONSISTENT_TOPIC_ID = 103
    INCONSISTENT_CLUSTER_ID = 104
    TRANSACTIONAL_ID_NOT_FOUND = 105
    FETCH_SESSION_TOPIC_ID_ERROR = 106
    INELIGIBLE_REPLICA = 107
    NEW_LEADER_ELECTED = 108
    OFFSET_MOVED_TO_TIERED_STORAGE = 109
    FENCED_MEMBER_EPOCH = 110
    UNRELEASED_INSTANCE_ID = 111
    UNSUPPORTED_ASSIGNOR = 112
    STALE_MEMBER_EPOCH = 113
    MISMATCHED_ENDPOINT_TYPE = 114
    UNSUPPORTED_ENDPOINT_TYPE = 115
    UNKNOWN_CONTROLLER_ID = 116
    UNKNOWN_SUBSCRIPTION_ID = 117
    TELEMETRY_TOO_LARGE = 118
    INVALID_REGISTRATION = 119
    TRANSACTION_ABORTABLE = 120
    INVALID_RECORD_STATE = 121
    SHARE_SESSION_NOT_FOUND = 122
    INVALID_SHARE_SESSION_EPOCH = 123
    FENCED_STATE_EPOCH = 124
    INVALID_VOTER_KEY = 125
    DUPLICATE_VOTER = 126
    VOTER_NOT_FOUND = 127
    INVALID_REGULAR_EXPRESSION = 128
    REBOOTSTRAP_REQUIRED = 129
    STREAMS_INVALID_TOPOLOGY = 130
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131
    STREAMS_TOPOLOGY_FENCED = 132
    SHARE_SESSION_LIMIT_REACHED = 133

    @property
    def is_retriable(self) -> bool:
        """True if a client may send the same request again, perhaps after refreshing metadata."""
        return self in RETRIABLE

    @property
    def text(self) -> str:
        """The sentence a response carries when the raiser had nothing better to say."""
        return TEXTS.get(self) or self.name.lower().replace("_", " ").capitalize() + "."


RETRIABLE = frozenset(
    ErrorCode(number)
    for number in (
        *(2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 70, 71, 72, 74, 75, 78, 80, 83, 84),
        *(88, 89, 100, 103, 106, 122, 123, 133),
    )
)

# Only where the name alone does not tell a user what to do.
TEXTS: dict[ErrorCode, str] = {
    ErrorCode.UNKNOWN_SERVER_ERROR: "The broker met an error it did not expect.",
    ErrorCode.OFFSET_OUT_OF_RANGE: "The offset lies outside what this partition holds.",
    ErrorCode.CORRUPT_MESSAGE: "A record batch failed its checksum or its form.",
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: "This broker has no such topic or partition.",
    ErrorCode.LEADER_NOT_AVAILABLE: "The partition has no leader at the moment.",
    ErrorCode.NOT_LEADER_OR_FOLLOWER: "This broker does not lead the partition.",
    ErrorCode.REQUEST_TIMED_OUT: "The request was not finished within its timeout.",
    ErrorCode.MESSAGE_TOO_LARGE: "The record batch is larger than max.message.bytes allows.",
    ErrorCode.OFFSET_METADATA_TOO_LARGE: "The metadata string of the offset commit is too long.",
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS: "The coordinator is still loading its log.",
    ErrorCode.COORDINATOR_NOT_AVAILABLE: "The coordinator is not available yet.",
    ErrorCode.NOT_COORDINATOR: "This broker does not coordinate that group or transaction.",
    ErrorCode.INVALID_TOPIC_EXCEPTION: "The topic name is not legal.",
    ErrorCode.NOT_ENOUGH_REPLICAS: "Fewer replicas are in sync than min.insync.replicas asks for.",
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND: "Replicas left the in-sync set after the append.",
    ErrorCode.INVALID_REQUIRED_ACKS: "Required acks must be -1, 0 or 1.",
    ErrorCode.ILLEGAL_GENERATION: "The generation is not the group's current one.",
    ErrorCode.INCONSISTENT_GROUP_PROTOCOL: "The member shares no protocol with the group.",
    ErrorCode.UNKNOWN_MEMBER_ID: "The group has no such member.",
    ErrorCode.INVALID_SESSION_TIMEOUT: "The session timeout lies outside the allowed range.",
    ErrorCode.REBALANCE_IN_PROGRESS: "The group is rebalancing; join again.",
    ErrorCode.TOPIC_AUTHORIZATION_FAILED: "Not allowed to access the topic.",
    ErrorCode.GROUP_AUTHORIZATION_FAILED: "Not allowed to access the group.",
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED: "Not allowed to do this to the cluster.",
    ErrorCode.INVALID_TIMESTAMP: "The record's timestamp lies outside what the topic accepts.",
    ErrorCode.UNSUPPORTED_SASL_MECHANISM: "The SASL mechanism is not enabled here.",
    ErrorCode.UNSUPPORTED_VERSION: "This version of the request is not supported.",
    ErrorCode.TOPIC_ALREADY_EXISTS: "A topic of this name exists already.",
    ErrorCode.INVALID_PARTITIONS: "The partition count is not possible.",
    ErrorCode.INVALID_REPLICATION_FACTOR: "There are not as many brokers as replicas asked for.",
    ErrorCode.INVALID_REPLICA_ASSIGNMENT: "The replica assignment is not possible.",
    ErrorCode.INVALID_CONFIG: "A configuration key or value is not valid.",
    ErrorCode.NOT_CONTROLLER: "This broker is not the active controller.",
    ErrorCode.INVALID_REQUEST: "The request is not valid.",
    ErrorCode.POLICY_VIOLATION: "The request breaks a limit of this cluster's plan.",
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER: "The batch does not follow the producer's last one.",
    ErrorCode.INVALID_PRODUCER_EPOCH: "A newer instance of this producer has taken over.",
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "Not allowed to use the transactional id.",
    ErrorCode.SECURITY_DISABLED: "No authorizer is configured on this broker.",
    ErrorCode.KAFKA_STORAGE_ERROR: "The disk failed or is full.",
    ErrorCode.SASL_AUTHENTICATION_FAILED: "Authentication failed.",
    ErrorCode.NON_EMPTY_GROUP: "The group still has members.",
    ErrorCode.GROUP_ID_NOT_FOUND: "There is no such group.",
    ErrorCode.FENCED_LEADER_EPOCH: "The leader epoch in the request is older than the broker's.",
    ErrorCode.UNKNOWN_LEADER_EPOCH: "The leader epoch in the request is newer than the broker's.",
    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE: "The request's version cannot carry this compression.",
    ErrorCode.MEMBER_ID_REQUIRED: "Join again with the member id in this response.",
    ErrorCode.GROUP_MAX_SIZE_REACHED: "The group has as many members as it may have.",
    ErrorCode.FENCED_INSTANCE_ID: "Another member has taken over this group instance id.",
    ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC: "The group still consumes the topic.",
    ErrorCode.INVALID_RECORD: "A record is not acceptable to this topic.",
    ErrorCode.RESOURCE_NOT_FOUND: "There is nothing of this name.",
    ErrorCode.DUPLICATE_RESOURCE: "The request names the same thing twice.",
    ErrorCode.UNACCEPTABLE_CREDENTIAL: "The credential is not acceptable.",
    ErrorCode.UNSUPPORTED_SASL_MECHANISM: "The SASL mechanism is not enabled on this listener.",
    ErrorCode.ILLEGAL_SASL_STATE: "The request does not fit the state of authentication.",
    ErrorCode.FETCH_SESSION_ID_NOT_FOUND: "The fetch session is not known here.",
    ErrorCode.INVALID_FETCH_SESSION_EPOCH: "The fetch is not the next one of its session.",
    ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR: "The fetch session names topics in the other way.",
    ErrorCode.UNKNOWN_TOPIC_ID: "This broker has no topic of this id.",
    ErrorCode.INCONSISTENT_TOPIC_ID: "The topic was created anew under another id.",
}


class KafkaError(Exception):
    """A failure with a code that a response can carry.

    code: subclasses name theirs; message: for a person, defaults to the code's text, no secrets.
    """

    default_code: ClassVar[ErrorCode] = ErrorCode.UNKNOWN_SERVER_ERROR

    def __init__(self, message: str | None = None, *, code: ErrorCode | None = None) -> None:
        self.code = self.default_code if code is None else code
        self.message = self.code.text if message is None else message
        super().__init__(self.message)


# Each is named as Kafka names the condition.


class OffsetOutOfRange(KafkaError):
    default_code = ErrorCode.OFFSET_OUT_OF_RANGE


class CorruptBatch(KafkaError):
    default_code = ErrorCode.CORRUPT_MESSAGE


class UnknownTopicOrPartition(KafkaError):
    default_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


class UnknownTopicId(KafkaError):
    default_code = ErrorCode.UNKNOWN_TOPIC_ID


class FetchSessionIdNotFound(KafkaError):
    default_code = ErrorCode.FETCH_SESSION_ID_NOT_FOUND


class InvalidFetchSessionEpoch(KafkaError):
    default_code = ErrorCode.INVALID_FETCH_SESSION_EPOCH


class FetchSessionTopicIdError(KafkaError):
    default_code = ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR


class LeaderNotAvailable(KafkaError):
    default_code = ErrorCode.LEADER_NOT_AVAILABLE


class NotLeaderOrFollower(KafkaError):
    default_code = ErrorCode.NOT_LEADER_OR_FOLLOWER


class MessageTooLarge(KafkaError):
    default_code = ErrorCode.MESSAGE_TOO_LARGE


class CoordinatorLoadInProgress(KafkaError):
    default_code = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS


class CoordinatorNotAvailable(KafkaError):
    default_code = ErrorCode.COORDINATOR_NOT_AVAILABLE


class RequestTimedOut(KafkaError):
    default_code = ErrorCode.REQUEST_TIMED_OUT


class NotCoordinator(KafkaError):
    default_code = ErrorCode.NOT_COORDINATOR


class InvalidTopic(KafkaError):
    default_code = ErrorCode.INVALID_TOPIC_EXCEPTION


class NotEnoughReplicas(KafkaError):
    default_code = ErrorCode.NOT_ENOUGH_REPLICAS


class InvalidRequiredAcks(KafkaError):
    default_code = ErrorCode.INVALID_REQUIRED_ACKS


class InvalidTimestamp(KafkaError):
    default_code = ErrorCode.INVALID_TIMESTAMP


class UnsupportedVersion(KafkaError):
    default_code = ErrorCode.UNSUPPORTED_VERSION


class InvalidConfig(KafkaError):
    default_code = ErrorCode.INVALID_CONFIG


class NotController(KafkaError):
    default_code = ErrorCode.NOT_CONTROLLER


class DuplicateResource(KafkaError):
    default_code = ErrorCode.DUPLICATE_RESOURCE


class ResourceNotFound(KafkaError):
    default_code = ErrorCode.RESOURCE_NOT_FOUND


class UnacceptableCredential(KafkaError):
    default_code = ErrorCode.UNACCEPTABLE_CREDENTIAL


class UnsupportedSaslMechanism(KafkaError):
    default_code = ErrorCode.UNSUPPORTED_SASL_MECHANISM


class InvalidRequest(KafkaError):
    default_code = ErrorCode.INVALID_REQUEST


class PolicyViolation(KafkaError):
    default_code = ErrorCode.POLICY_VIOLATION


class OutOfOrderSequence(KafkaError):
    default_code = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


class InvalidProducerEpoch(KafkaError):
    default_code = ErrorCode.INVALID_PRODUCER_EPOCH


class InvalidTxnState(KafkaError):
    default_code = ErrorCode.INVALID_TXN_STATE


class TransactionCoordinatorFenced(KafkaError):
    default_code = ErrorCode.TRANSACTION_COORDINATOR_FENCED


class StorageError(KafkaError):
    default_code = ErrorCode.KAFKA_STORAGE_ERROR


class OffsetNotAvailable(KafkaError):
    default_code = ErrorCode.OFFSET_NOT_AVAILABLE


class FencedLeaderEpoch(KafkaError):
    default_code = ErrorCode.FENCED_LEADER_EPOCH


class UnknownLeaderEpoch(KafkaError):
    default_code = ErrorCode.UNKNOWN_LEADER_EPOCH


class UnsupportedCompression(KafkaError):
    default_code = ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


class InvalidRecord(KafkaError):
    default_code = ErrorCode.INVALID_RECORD
