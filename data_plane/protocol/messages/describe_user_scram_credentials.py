"""DescribeUserScramCredentials (key 50) v0, flexible. (KIP-554)"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response

SCRAM_SHA_256 = 1
SCRAM_SHA_512 = 2


@dataclass(frozen=True, slots=True)
class DescribeUserScramCredentialsRequestUser:
    """One user."""

    name: str


@request(api_key=50, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class DescribeUserScramCredentialsRequest:
    """Ask which SCRAM credentials users have; null asks for all users."""

    users: Sequence[DescribeUserScramCredentialsRequestUser] | None = None


@dataclass(frozen=True, slots=True)
class DescribeUserScramCredentialsResponseCredential:
    """One credential, without its secret."""

    mechanism: int8
    iterations: int32


@dataclass(frozen=True, slots=True)
class DescribeUserScramCredentialsResponseResult:
    """One user; an unknown one has a row with RESOURCE_NOT_FOUND."""

    user: str
    error_code: int16 = 0
    error_message: str | None = None
    credential_infos: Sequence[DescribeUserScramCredentialsResponseCredential] = ()


@response(api_key=50, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class DescribeUserScramCredentialsResponse:
    """The users."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    error_message: str | None = None
    results: Sequence[DescribeUserScramCredentialsResponseResult] = ()
