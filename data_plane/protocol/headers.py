"""Request headers v1-2 and response headers v0-1, with the exceptions that clients rely on.

client_id stays a plain nullable string even in the flexible header v2. ApiVersions is always
answered under response header v0, because a client reads it before it knows the broker (KIP-511).
"""

import struct
from typing import Final, NamedTuple

from data_plane.protocol.api_keys import API_KEYS, API_VERSIONS
from data_plane.protocol.primitives import INT32, Buffer, DecodeError, skip_tags

_FIXED: Final = struct.Struct(">hhih")


class RequestHeader(NamedTuple):
    """The start of every request; client_id is what the client calls itself, never a proof."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None


def is_flexible(api_key: int, api_version: int) -> bool:
    """True if this request speaks header v2; unknown keys are not flexible, they are refused."""
    spec = API_KEYS.get(api_key)
    return spec is not None and api_version >= spec.flexible_from


def read_request_header(view: Buffer, at: int = 0) -> tuple[RequestHeader, int]:
    """Return the header and where the body starts.

    A version of ApiVersions that nobody knows yet is read up to the client id only: its answer
    needs no more, and its header may have a form to come.
    Raises DecodeError; key and version are not judged here.
    """
    try:
        api_key, api_version, correlation_id, size = _FIXED.unpack_from(view, at)
        at += _FIXED.size
        client_id = None
        if size >= 0:
            if at + size > len(view):
                raise DecodeError("client id runs past the end of the request")
            client_id = str(view[at : at + size], "utf-8")
            at += size
        if is_flexible(api_key, api_version) and not _is_unknown_negotiation(api_key, api_version):
            at = skip_tags(view, at)
    except (IndexError, struct.error, UnicodeDecodeError) as failure:
        raise DecodeError(f"request header: {failure}") from None
    return RequestHeader(api_key, api_version, correlation_id, client_id), at


def encode_request_header(header: RequestHeader) -> bytes:
    """Return the header as a client or a peer sends it."""
    name = b"" if header.client_id is None else header.client_id.encode()
    size = -1 if header.client_id is None else len(name)
    tags = b"\0" if is_flexible(header.api_key, header.api_version) else b""
    return (
        _FIXED.pack(header.api_key, header.api_version, header.correlation_id, size) + name + tags
    )


def encode_response_header(api_key: int, api_version: int, correlation_id: int) -> bytes:
    """Return the response header: v1 with its empty tag section for flexible versions, else v0."""
    if api_key != API_VERSIONS and is_flexible(api_key, api_version):
        return INT32.pack(correlation_id) + b"\0"
    return INT32.pack(correlation_id)


def read_response_header(
    api_key: int, api_version: int, view: Buffer, at: int = 0
) -> tuple[int, int]:
    """Return (correlation id, where the body starts); the peers' side. Raises DecodeError."""
    try:
        (correlation_id,) = INT32.unpack_from(view, at)
        at += INT32.size
        if api_key != API_VERSIONS and is_flexible(api_key, api_version):
            at = skip_tags(view, at)
    except (IndexError, struct.error) as failure:
        raise DecodeError(f"response header: {failure}") from None
    return correlation_id, at


def _is_unknown_negotiation(api_key: int, api_version: int) -> bool:
    return api_key == API_VERSIONS and api_version not in API_KEYS[API_VERSIONS].versions
