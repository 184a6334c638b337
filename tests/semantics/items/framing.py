"""Framing, headers and versions."""

from tests.semantics.item import item

ITEMS = (
    item(
        1,
        "Frames",
        "SocketServer",
        a="a frame is an int32 size and that many bytes, however they arrive",
        b="a size above socket.request.max.bytes (100 MiB) closes the connection",
        c="a negative size closes the connection",
    ),
    item(
        2,
        "Order on a connection",
        "SocketServer, KIP-98",
        a="responses leave in the order of their requests",
        b="a request that waits keeps what comes behind it waiting, pipelined produces apart",
    ),
    item(
        3,
        "Request headers",
        "RequestHeader",
        a="header v1 for old versions, v2 with tagged fields for flexible ones",
        b="client_id stays a plain nullable string in header v2",
    ),
    item(
        4,
        "Response headers",
        "ApiMessageType",
        a="header v1 for flexible versions",
        b="ApiVersions is answered with header v0 in every version",
    ),
    item(
        5,
        "ApiVersions of an unknown version",
        "KIP-511",
        a="is answered in the form of version 0 with error 35",
        b="the answer lists the range of ApiVersions itself, so that the client can ask again",
    ),
    item(
        6,
        "Names of client software",
        "KIP-511",
        a="ApiVersions v3+ with a name or version of another form is INVALID_REQUEST",
        b="names with dots and dashes inside are fine",
    ),
    item(
        7,
        "Other versions that are not served",
        "SocketServer",
        a="an unknown version or key closes the connection",
        b="the log names the client's software and version",
    ),
    item(
        8,
        "Tagged fields",
        "KIP-482",
        a="unknown tags are skipped, in header, body and rows",
        b="a field that holds its default is never written",
        c="tags are written ascending",
    ),
    item(
        9,
        "Produce without acks",
        "KafkaApis",
        a="gets no response",
        b="an error closes the connection",
    ),
    item(
        10,
        "Null and empty arrays",
        "MetadataRequest, OffsetFetchRequest",
        a="Metadata v0: empty asks for all topics",
        b="Metadata v1+: null asks for all, empty for none",
        c="OffsetFetch v2+: null asks for all, empty for none",
        d="a null where a version knows none is refused",
        e="each nullable field of each response is null or empty as its version has it",
    ),
    item(
        11,
        "Throttle time",
        "KIP-219",
        a="throttle_time_ms is there from the version that brought it, per API",
        b="a throttled client is answered first, then its connection is mute for that time",
    ),
)
