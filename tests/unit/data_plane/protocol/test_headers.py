"""Headers as clients of every age send and expect them (kafka-protocol.md 2, items 3-5)."""

import pytest

from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.headers import (
    RequestHeader,
    encode_request_header,
    encode_response_header,
    is_flexible,
    read_request_header,
    read_response_header,
)
from data_plane.protocol.messages.api_versions import (
    ApiVersionsResponse,
    ApiVersionsResponseApiKey,
)
from data_plane.protocol.primitives import DecodeError
from data_plane.protocol.schema import encode


@pytest.mark.semantics("3b")
def test_client_id_stays_a_plain_string_in_the_flexible_header() -> None:
    header = RequestHeader(3, 9, 7, "me")
    assert encode_request_header(header) == bytes.fromhex("0003 0009 00000007 0002 6d65 00")
    assert read_request_header(encode_request_header(header)) == (header, 13)


@pytest.mark.semantics("3b")
def test_null_client_id() -> None:
    data = bytes.fromhex("0003 0001 00000007 ffff")
    assert read_request_header(data) == (RequestHeader(3, 1, 7, None), 10)
    assert encode_request_header(RequestHeader(3, 1, 7, None)) == data


@pytest.mark.semantics("8a")
def test_unknown_tags_of_a_request_header_are_skipped() -> None:
    data = bytes.fromhex("0003 0009 00000007 0001 61 01 05 02 beef")
    assert read_request_header(data + b"body") == (RequestHeader(3, 9, 7, "a"), len(data))


@pytest.mark.semantics("3a", "4a")
@pytest.mark.parametrize("key", sorted(API_KEYS))
def test_both_ends_agree_on_the_header_of_every_version(key: int) -> None:
    for version in API_KEYS[key].versions:
        request = RequestHeader(key, version, -5, "c")
        data = encode_request_header(request)
        assert read_request_header(b"\x11" + data, 1) == (request, 1 + len(data))
        answer = encode_response_header(key, version, -5)
        assert read_response_header(key, version, answer) == (-5, len(answer))


@pytest.mark.semantics("4a", "4b")
def test_response_header_is_flexible_except_for_api_versions() -> None:
    assert encode_response_header(3, 8, 1) == bytes.fromhex("00000001")
    assert encode_response_header(3, 9, 1) == bytes.fromhex("00000001 00")
    for version in range(5):
        assert encode_response_header(18, version, 1) == bytes.fromhex("00000001")


def test_an_api_versions_request_from_the_future_can_be_answered() -> None:
    """KIP-511: header and body may have any form; v0 with error 35 and our range goes back."""
    data = bytes.fromhex("0012 0063 00000009 0001 61") + b"\xff" * 9
    header, _ = read_request_header(data)
    assert header == RequestHeader(18, 99, 9, "a")
    row = ApiVersionsResponseApiKey(18, 0, 4)
    body = encode(ApiVersionsResponse(error_code=35, api_keys=(row,)), 0)
    assert body == bytes.fromhex("0023 00000001 0012 0000 0004")


@pytest.mark.semantics("8b")
def test_api_versions_v3_has_no_tags_unless_it_has_features() -> None:
    """Old librdkafka cannot skip tags that hold default values."""
    row = ApiVersionsResponseApiKey(18, 0, 4)
    body = encode(ApiVersionsResponse(api_keys=(row,)), 3)
    assert body == bytes.fromhex("0000 02 0012 0000 0004 00 00000000 00")


def test_unknown_keys_are_read_and_not_judged() -> None:
    data = bytes.fromhex("7fff 0000 00000001 ffff")
    assert read_request_header(data)[0] == RequestHeader(0x7FFF, 0, 1, None)
    assert not is_flexible(0x7FFF, 100)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0003 0009 000000",
        "0003 0001 00000007 0005 6161",
        "0003 0001 00000007 0001 ff",
        "0003 0009 00000007 0001 61",
        "0003 0009 00000007 0001 61 01 00 7f",
    ],
)
def test_broken_headers_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        read_request_header(memoryview(bytes.fromhex(text)))
