"""AlterUserScramCredentials (key 51) v0, flexible. (KIP-554)"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from data_plane.protocol.schema import int8, int16, int32, request, response


@dataclass(frozen=True, slots=True)
class AlterUserScramCredentialsRequestDeletion:
    """A credential to remove."""

    name: str
    mechanism: int8


@dataclass(frozen=True, slots=True)
class AlterUserScramCredentialsRequestUpsertion:
    """A credential to set: salt and salted password, which no repr shows."""

    name: str
    mechanism: int8
    iterations: int32
    salt: bytes = field(default=b"", repr=False)
    salted_password: bytes = field(default=b"", repr=False)


@request(api_key=51, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class AlterUserScramCredentialsRequest:
    """Change SCRAM credentials; a user twice in one request is DUPLICATE_RESOURCE."""

    deletions: Sequence[AlterUserScramCredentialsRequestDeletion] = ()
    upsertions: Sequence[AlterUserScramCredentialsRequestUpsertion] = ()


@dataclass(frozen=True, slots=True)
class AlterUserScramCredentialsResponseResult:
    """What became of one user."""

    user: str
    error_code: int16 = 0
    error_message: str | None = None


@response(api_key=51, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class AlterUserScramCredentialsResponse:
    """What became of each user."""

    throttle_time_ms: int32 = 0
    results: Sequence[AlterUserScramCredentialsResponseResult] = ()
