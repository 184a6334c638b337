"""AlterUserScramCredentials and its description decided (KIP-554)."""

from collections import Counter
from collections.abc import Iterable, Sequence

from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import (
    MetadataRecord,
    RemoveUserScramCredentialRecord,
    UserScramCredentialRecord,
)
from data_plane.protocol.errors import (
    DuplicateResource,
    KafkaError,
    PolicyViolation,
    ResourceNotFound,
    UnacceptableCredential,
    UnsupportedSaslMechanism,
)
from data_plane.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsRequestDeletion,
    AlterUserScramCredentialsRequestUpsertion,
    AlterUserScramCredentialsResponseResult,
)
from data_plane.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsResponseCredential,
    DescribeUserScramCredentialsResponseResult,
)
from data_plane.security.saslprep import Unprepared, saslprep
from data_plane.security.scram import (
    ITERATIONS_MAX,
    ITERATIONS_MIN,
    NAME_CHARS_MAX,
    Mechanism,
    credential_from_salted_password,
)

CREDENTIALS_MAX = 100_000
SALT_BYTES_MAX = 256
# Principals of other origins: a password must not be able to speak for a certificate.
RESERVED_PREFIX = "CN="
RESERVED_NAME = "ANONYMOUS"

Deletion = AlterUserScramCredentialsRequestDeletion
Upsertion = AlterUserScramCredentialsRequestUpsertion


def decide_alter_scram_credentials(
    image: MetadataImage, request: AlterUserScramCredentialsRequest
) -> Decision[list[AlterUserScramCredentialsResponseResult]]:
    """Say whose credentials change: one row for each user, who changes wholly or not at all."""
    changes: list[Deletion | Upsertion] = [*request.deletions, *request.upsertions]
    counts = Counter((change.name, change.mechanism) for change in changes)
    failed: dict[str, KafkaError] = {}
    records: dict[str, list[MetadataRecord]] = {}
    room = CREDENTIALS_MAX - len(image.scram_credentials)
    for change in changes:
        try:
            if counts[change.name, change.mechanism] > 1:
                raise DuplicateResource("A user credential cannot be altered twice in one request")
            if len(records) >= room and isinstance(change, Upsertion):
                raise PolicyViolation(f"A cluster has at most {CREDENTIALS_MAX} SCRAM credentials.")
            records.setdefault(change.name, []).append(_record(image, change))
        except KafkaError as error:
            failed.setdefault(change.name, error)
    names = dict.fromkeys(change.name for change in changes)
    kept = [record for name in names if name not in failed for record in records[name]]
    return Decision([_row(name, failed.get(name)) for name in names], kept)


def _row(name: str, error: KafkaError | None) -> AlterUserScramCredentialsResponseResult:
    if error is None:
        return AlterUserScramCredentialsResponseResult(name)
    return AlterUserScramCredentialsResponseResult(name, error.code, error.message)


def _record(image: MetadataImage, change: Deletion | Upsertion) -> MetadataRecord:
    if not change.name:
        raise UnacceptableCredential("Username must not be empty")
    if change.mechanism not in list(Mechanism):
        raise UnsupportedSaslMechanism("Unknown SCRAM mechanism")
    if isinstance(change, Upsertion):
        return _upserted(change, Mechanism(change.mechanism))
    if (change.name, change.mechanism) not in image.scram_credentials:
        raise ResourceNotFound("Attempt to delete a user credential that does not exist")
    return RemoveUserScramCredentialRecord(change.name, change.mechanism)


def _upserted(change: Upsertion, mechanism: Mechanism) -> UserScramCredentialRecord:
    _check_name(change.name)
    if change.iterations < ITERATIONS_MIN:
        raise UnacceptableCredential("Too few iterations")
    if change.iterations > ITERATIONS_MAX:
        raise UnacceptableCredential("Too many iterations")
    if not 0 < len(change.salt) <= SALT_BYTES_MAX:
        raise UnacceptableCredential(f"The salt must have 1 to {SALT_BYTES_MAX} bytes")
    if len(change.salted_password) != mechanism.key_bytes:
        raise UnacceptableCredential(f"The salted password must have {mechanism.key_bytes} bytes")
    made = credential_from_salted_password(
        mechanism, change.salt, change.salted_password, change.iterations
    )
    return UserScramCredentialRecord(
        change.name, mechanism, made.salt, made.stored_key, made.server_key, made.iterations
    )


def _check_name(name: str) -> None:
    """A name is stored as it will be looked up: prepared."""
    try:
        is_prepared = saslprep(name) == name
    except Unprepared:
        is_prepared = False
    if not is_prepared:
        raise UnacceptableCredential("The user name is not in SASLprep form (RFC 4013)")
    if len(name) > NAME_CHARS_MAX:
        raise UnacceptableCredential(f"A user name has at most {NAME_CHARS_MAX} characters")
    if name.startswith(RESERVED_PREFIX) or name == RESERVED_NAME:
        raise UnacceptableCredential("The user name is that of another kind of principal")


def described_scram_credentials(
    image: MetadataImage, names: Sequence[str]
) -> list[DescribeUserScramCredentialsResponseResult]:
    """One row for each user asked for, all of them if nobody is named."""
    if not names:
        everybody = sorted({name for name, _ in image.scram_credentials})
        return [_described(image, name) for name in everybody]
    counts = Counter(names)
    return [
        _twice(name) if counts[name] > 1 else _described(image, name)
        for name in dict.fromkeys(names)
    ]


def _described(image: MetadataImage, name: str) -> DescribeUserScramCredentialsResponseResult:
    found = list(_credentials(image, name))
    if not found:
        error = ResourceNotFound("Attempt to describe a user credential that does not exist")
        return DescribeUserScramCredentialsResponseResult(name, error.code, error.message)
    rows = [
        DescribeUserScramCredentialsResponseCredential(each.mechanism, each.iterations)
        for each in found
    ]
    return DescribeUserScramCredentialsResponseResult(name, credential_infos=rows)


def _credentials(image: MetadataImage, name: str) -> Iterable[UserScramCredentialRecord]:
    for mechanism in Mechanism:
        found = image.scram_credentials.get((name, mechanism))
        if found is not None:
            yield found


def _twice(name: str) -> DescribeUserScramCredentialsResponseResult:
    error = DuplicateResource("Cannot describe the credentials of a user twice in one request")
    return DescribeUserScramCredentialsResponseResult(name, error.code, error.message)
