"""AlterUserScramCredentials: one row for each user, wholly or not at all; nothing shows a key."""

import pytest

from data_plane.metadata.codec import decode_record, encode_record
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import UserScramCredentialRecord
from data_plane.metadata.scram_credentials import (
    decide_alter_scram_credentials,
    described_scram_credentials,
)
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
)
from data_plane.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequestDeletion as Deletion,
)
from data_plane.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequestUpsertion as Upsertion,
)
from data_plane.security.scram import Mechanism, credential_from_salted_password
from tests.unit.data_plane.metadata.worlds import after

SHA_256, SHA_512 = Mechanism.SCRAM_SHA_256, Mechanism.SCRAM_SHA_512
SALTED = {SHA_256: b"p" * 32, SHA_512: b"p" * 64}


def upsertion(name: str = "alice", mechanism: Mechanism = SHA_256, **more: object) -> Upsertion:
    values = {
        "iterations": 4096,
        "salt": b"salt",
        "salted_password": SALTED[mechanism],
        **more,
    }
    return Upsertion(name, mechanism, **values)  # type: ignore[arg-type]  # made up by the test


def asked(*changes: Deletion | Upsertion) -> AlterUserScramCredentialsRequest:
    return AlterUserScramCredentialsRequest(
        [each for each in changes if isinstance(each, Deletion)],
        [each for each in changes if isinstance(each, Upsertion)],
    )


def rows(image: MetadataImage, *changes: Deletion | Upsertion) -> dict[str, int]:
    decision = decide_alter_scram_credentials(image, asked(*changes))
    return {row.user: row.error_code for row in decision.response}


WITH_ALICE = after(
    MetadataImage(), decide_alter_scram_credentials(MetadataImage(), asked(upsertion()))
)


@pytest.mark.semantics("88a")
def test_what_is_stored_is_derived_and_the_salted_password_is_not_kept() -> None:
    (record,) = WITH_ALICE.scram_credentials.values()
    made = credential_from_salted_password(SHA_256, b"salt", SALTED[SHA_256], 4096)
    assert (record.stored_key, record.server_key) == (made.stored_key, made.server_key)
    encoded = encode_record(record)
    assert SALTED[SHA_256] not in encoded
    assert decode_record(encoded) == record
    assert "stored_key" not in repr(record)


def test_one_user_may_have_both_mechanisms() -> None:
    decision = decide_alter_scram_credentials(WITH_ALICE, asked(upsertion(mechanism=SHA_512)))
    image = after(WITH_ALICE, decision)
    (row,) = described_scram_credentials(image, ["alice"])
    assert [each.mechanism for each in row.credential_infos] == [SHA_256, SHA_512]
    gone = decide_alter_scram_credentials(image, asked(Deletion("alice", SHA_256)))
    (row,) = described_scram_credentials(after(image, gone), [])
    assert [each.mechanism for each in row.credential_infos] == [SHA_512]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (upsertion(""), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (upsertion(iterations=4095), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (upsertion(iterations=16385), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (upsertion(salt=b""), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (upsertion(salt=b"s" * 257), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (upsertion(salted_password=b"short"), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (upsertion("x" * 257), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (upsertion("not\u00adprepared"), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (upsertion("CN=admin,O=c1"), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (upsertion("ANONYMOUS"), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (Upsertion("alice", 3, 4096), ErrorCode.UNSUPPORTED_SASL_MECHANISM),
        (Deletion("alice", 0), ErrorCode.UNSUPPORTED_SASL_MECHANISM),
        (Deletion("nobody", SHA_256), ErrorCode.RESOURCE_NOT_FOUND),
        (Deletion("alice", SHA_512), ErrorCode.RESOURCE_NOT_FOUND),
        (Deletion("", SHA_256), ErrorCode.UNACCEPTABLE_CREDENTIAL),
    ],
)
def test_refusals(change: Deletion | Upsertion, code: ErrorCode) -> None:
    bob = upsertion("bob")
    decision = decide_alter_scram_credentials(WITH_ALICE, asked(change, bob))
    said = {row.user: row.error_code for row in decision.response}
    assert said == {change.name: code, "bob": 0}
    names = [
        record.name for record in decision.records if isinstance(record, UserScramCredentialRecord)
    ]
    assert names == ["bob"], "one user's mistake is not another's"


@pytest.mark.semantics("88b")
def test_the_same_credential_twice_is_a_duplicate() -> None:
    twice = (Deletion("alice", SHA_256), upsertion())
    assert rows(WITH_ALICE, *twice) == {"alice": ErrorCode.DUPLICATE_RESOURCE}
    assert not decide_alter_scram_credentials(WITH_ALICE, asked(*twice)).records
    assert rows(WITH_ALICE, upsertion(), upsertion()) == {"alice": ErrorCode.DUPLICATE_RESOURCE}


def test_a_user_with_one_bad_change_keeps_what_it_had() -> None:
    changes = (Deletion("alice", SHA_256), upsertion(mechanism=SHA_512, iterations=1))
    decision = decide_alter_scram_credentials(WITH_ALICE, asked(*changes))
    assert [row.error_code for row in decision.response] == [ErrorCode.UNACCEPTABLE_CREDENTIAL]
    assert not decision.records


@pytest.mark.semantics("88c")
def test_describing_users_who_are_absent_or_named_twice() -> None:
    found = described_scram_credentials(WITH_ALICE, ["nobody", "alice", "alice"])
    assert {row.user: row.error_code for row in found} == {
        "nobody": ErrorCode.RESOURCE_NOT_FOUND,
        "alice": ErrorCode.DUPLICATE_RESOURCE,
    }
    assert not described_scram_credentials(MetadataImage(), [])
