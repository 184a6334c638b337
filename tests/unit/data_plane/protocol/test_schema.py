"""What a declaration means: versions, nulls, tags, nesting, limits and refusals."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest

from data_plane.protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from data_plane.protocol.messages.offset_fetch import OffsetFetchRequest
from data_plane.protocol.schema import (
    DecodeError,
    EncodedRows,
    EncodeError,
    boolean,
    data_record,
    decode,
    decoder,
    encode,
    encoder,
    float64,
    int8,
    int16,
    int32,
    int64,
    nullable,
    part_encoder,
    since,
    tagged,
    uint16,
    until,
    uuid,
)


@dataclass(frozen=True, slots=True)
class Inner:
    """A struct that may be null."""

    name: str = ""
    weights: Sequence[float64] = ()


@data_record(versions=range(4), flexible_from=2)
@dataclass(frozen=True, slots=True)
class Sample:
    """One field of each kind."""

    tiny: int8
    small: int16
    port: uint16
    big: int64
    flag: boolean
    identity: uuid
    text: str | None = nullable(1, default="")
    blob: bytes | None = None
    old: int32 = until(1, default=-1)
    new: str = since(1, default="new")
    middle: int32 = since(1, until=3, default=7)
    flags: Sequence[boolean] = ()
    names: Sequence[str] | None = nullable(2, default=())
    ids: Sequence[uuid] = ()
    inner: Inner | None = since(3, default=None)
    inners: Sequence[Inner] = ()
    late: str = tagged(1, since=3, default="")
    early: int32 = tagged(0, since=2, default=-1)


def full(**changes: object) -> Sample:
    values: dict[str, object] = {
        "tiny": -3,
        "small": 300,
        "port": 65_535,
        "big": -(2**40),
        "flag": True,
        "identity": UUID(int=77),
    }
    return Sample(**{**values, **changes})  # type: ignore[arg-type]  # made up by the test


def test_fields_of_other_versions_are_left_out_and_default() -> None:
    message = full(old=5, new="x", middle=9)
    assert decode(Sample, 0, encode(message, 0)) == full(old=5)
    assert decode(Sample, 1, encode(message, 1)) == full(new="x", middle=9)
    assert decode(Sample, 3, encode(message, 3)) == full(new="x")


@pytest.mark.parametrize("version", range(4))
def test_every_kind_of_field_comes_back(version: int) -> None:
    message = full(
        text="é",
        blob=b"\0\1",
        flags=(True, False),
        names=("a", "b" * 2000),
        ids=(UUID(int=1), UUID(int=2)),
        inners=(Inner("i", (0.5, -2.0)), Inner()),
    )
    assert decode(Sample, version, memoryview(encode(message, version))) == message


@pytest.mark.semantics("10d")
def test_nullability_begins_at_its_version() -> None:
    assert decode(Sample, 1, encode(full(text=None), 1)).text is None
    with pytest.raises(EncodeError):
        encode(full(text=None), 0)
    with pytest.raises(EncodeError):
        encode(full(names=None), 1)


def test_null_struct_is_one_byte() -> None:
    without = encode(full(inner=None), 3)
    with_one = encode(full(inner=Inner("n", (1.0,))), 3)
    assert len(with_one) - len(without) == len(b"\x02n" + b"\x02" + b"8bytes!!" + b"\0")
    assert decode(Sample, 3, with_one).inner == Inner("n", (1.0,))
    assert decode(Sample, 3, without).inner is None


@pytest.mark.semantics("8b")
def test_default_valued_tags_are_not_written() -> None:
    """librdkafka before 2.2.0 cannot skip a section that holds default values."""
    assert encode(full(early=-1, late=""), 3)[-1] == 0


@pytest.mark.semantics("8c")
def test_tags_are_written_ascending() -> None:
    """The declaration has tag 1 before tag 0."""
    assert encode(full(early=1, late="x"), 3).endswith(
        bytes.fromhex("02 00 04 00000001 01 02 0278")
    )


def test_tags_are_not_written_before_their_version() -> None:
    assert encode(full(early=1, late="x"), 2).endswith(bytes.fromhex("01 00 04 00000001"))
    assert encode(full(early=1), 1) == encode(full(), 1)


@pytest.mark.semantics("8a")
def test_unknown_tags_are_skipped() -> None:
    body = encode(full(), 3)[:-1] + bytes.fromhex("02 00 04 00000009 63 03 aabbcc")
    assert decode(Sample, 3, body) == full(early=9)


def test_a_known_tag_must_fill_its_size() -> None:
    body = encode(full(), 3)[:-1] + bytes.fromhex("01 00 05 00000009 00")
    with pytest.raises(DecodeError, match="wrong size"):
        decode(Sample, 3, body)


def test_unknown_version_is_the_callers_fault() -> None:
    with pytest.raises(ValueError, match="has no version 4"):
        encoder(Sample, 4)
    with pytest.raises(ValueError, match="has no version -1"):
        decoder(Sample, -1)


@pytest.mark.parametrize(
    "changes", [{"tiny": 200}, {"port": -1}, {"text": 5}, {"new": "\ud800"}, {"ids": (1,)}]
)
def test_a_value_the_wire_cannot_carry(changes: dict[str, object]) -> None:
    with pytest.raises(EncodeError):
        encode(full(**changes), 1)


def test_every_cut_is_refused() -> None:
    body = encode(full(text="abc", names=("a",), inners=(Inner("x"),), early=3), 3)
    for cut in range(len(body)):
        with pytest.raises(DecodeError):
            decode(Sample, 3, body[:cut])


def test_decoding_does_not_look_behind_the_message() -> None:
    body = encode(full(), 3)
    message, at = decoder(Sample, 3)(body + b"more", 0)
    assert (message, at) == (full(), len(body))


def test_strings_must_be_utf8() -> None:
    body = bytearray(encode(full(new="zz"), 1))
    at = body.index(b"zz")
    body[at] = 0xFF
    with pytest.raises(DecodeError):
        decode(Sample, 1, bytes(body))


@pytest.mark.semantics("10a")
def test_metadata_v0_knows_no_null_list() -> None:
    """v0: empty is all. v1+: null is all, empty is none (kafka-protocol.md 2, item 10)."""
    assert encode(MetadataRequest(topics=()), 0) == bytes(4)
    with pytest.raises(EncodeError):
        encode(MetadataRequest(topics=None), 0)
    with pytest.raises(DecodeError):
        decode(MetadataRequest, 0, b"\xff\xff\xff\xff")
    assert decode(MetadataRequest, 1, b"\xff\xff\xff\xff").topics is None
    assert decode(MetadataRequest, 1, bytes(4)).topics == ()
    assert decode(MetadataRequest, 9, bytes.fromhex("00 01 00 00 00")).topics is None
    assert decode(MetadataRequest, 9, bytes.fromhex("01 01 00 00 00")).topics == ()


def test_metadata_of_librdkafka_has_bytes_behind_it() -> None:
    """Captured from librdkafka 2.16: all topics at v12, then three bytes that mean nothing.

    The decoder says where the message ends and leaves the rest alone; a caller must too.
    """
    body = bytes.fromhex("00000000 010000")
    request, at = decoder(MetadataRequest, 12)(body, 0)
    assert request == MetadataRequest(topics=None, allow_auto_topic_creation=False)
    assert at == 4


def test_metadata_by_id_has_a_null_name() -> None:
    request = MetadataRequest(topics=(MetadataRequestTopic(UUID(int=5), None),))
    assert decode(MetadataRequest, 12, encode(request, 12)).topics == request.topics


@pytest.mark.semantics("10c")
def test_offset_fetch_null_topics_from_v2() -> None:
    assert decode(OffsetFetchRequest, 2, b"\0\1g\xff\xff\xff\xff").topics is None
    with pytest.raises(DecodeError):
        decode(OffsetFetchRequest, 1, b"\0\1g\xff\xff\xff\xff")


@pytest.mark.parametrize("version", [0, 8, 9, 12])
def test_rows_encoded_before_stand_for_their_array(version: int) -> None:
    rows = [
        MetadataResponseTopic(name=name, partitions=[MetadataResponsePartition(replica_nodes=[1])])
        for name in ("a", "b")
    ]
    one = part_encoder(MetadataResponseTopic, MetadataResponse, version)
    encoded = EncodedRows(len(rows), b"".join(map(one, rows)))
    whole = encode(MetadataResponse(topics=rows, cluster_id="c1"), version)
    assert encode(MetadataResponse(topics=encoded, cluster_id="c1"), version) == whole


def test_encoded_rows_cannot_be_looked_at() -> None:
    rows = EncodedRows(2, b"ab")
    assert len(rows) == 2
    with pytest.raises(TypeError):
        list(rows)
