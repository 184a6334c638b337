"""Requests to other brokers as frames, and their answers back: versions, headers, channels."""

from functools import cache
from typing import Final, NamedTuple

from data_plane.protocol.api_keys import API_KEYS, versions_among_brokers
from data_plane.protocol.headers import (
    RequestHeader,
    encode_request_header,
    read_response_header,
)
from data_plane.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest
from data_plane.protocol.messages.fetch import FetchRequest
from data_plane.protocol.messages.write_txn_markers import WriteTxnMarkersRequest
from data_plane.protocol.primitives import INT32, DecodeError
from data_plane.protocol.schema import decoder, encoder, info_of

CLIENT_ID: Final = "ottla-broker"
COMMON_CHANNEL: Final = "common"


class Asked(NamedTuple):
    """One request under way: what its answer will be read by."""

    api_key: int
    version: int
    correlation_id: int


def channel_of(request: object) -> str:
    """Answers leave in order, so what may wait long has a way of its own, each kind of it."""
    if isinstance(request, FetchRequest):
        return f"fetch {request.rack_id}"
    if isinstance(request, WriteTxnMarkersRequest):  # for replicas of the partition
        return "markers"
    if isinstance(request, AddPartitionsToTxnRequest):  # for the end of the transaction before
        return "transactions"
    return COMMON_CHANNEL


def encode_asked(request: object, correlation_id: int, level: int) -> tuple[Asked, bytes]:
    """Return the frame without its size, in the newest version of a level of `ottla.version`."""
    api_key = info_of(type(request)).api_key
    version = _newest(api_key, level)
    head = encode_request_header(RequestHeader(api_key, version, correlation_id, CLIENT_ID))
    body = encoder(type(request), version)(request)
    return Asked(api_key, version, correlation_id), head + bytes(body)


@cache
def _newest(api_key: int, level: int) -> int:
    return versions_among_brokers(api_key, level)[-1]


def framed(frame: bytes) -> bytes:
    return INT32.pack(len(frame)) + frame


def decode_answer(asked: Asked, frame: memoryview) -> object:
    """Return the response message; its records, if any, stay in `frame`. Raises DecodeError."""
    correlation_id, at = read_response_header(asked.api_key, asked.version, frame)
    if correlation_id != asked.correlation_id:
        raise DecodeError(f"answer {correlation_id} came in place of {asked.correlation_id}")
    response, _ = decoder(API_KEYS[asked.api_key].response, asked.version)(frame, at)
    return response
