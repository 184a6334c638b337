"""Two independent codecs agree with ours: kio byte for byte, kafka-python by name and value.

Both are oracles only; where one lacks a version the other or the golden frames stand alone.
"""

import dataclasses
import importlib
import io
import random
from typing import Any

import pytest
from kio.index import load_request_schema, load_response_schema
from kio.schema.index import api_key_map, schema_name_map
from kio.serial import entity_reader, entity_writer
from kio.static.constants import EntityType

from data_plane.protocol.api_keys import API_VERSIONS
from data_plane.protocol.compile_fields import fields_of
from data_plane.protocol.schema import encode, info_of
from tests.wire.samples import Case, cases, sample

FULLNESS = (0.0, 0.3, 0.5, 0.7, 1.0)
OPERATIONS = (
    "authorized_operations",
    "cluster_authorized_operations",
    "topic_authorized_operations",
)
OWN_TAGS = 10_000  # From here on, which is far from those that Kafka may give out.
KAFKA_PYTHON = ("admin", "consumer", "metadata", "producer", "sasl")


def in_kio(case: Case) -> bool:
    kind = EntityType.request if is_request(case) else EntityType.response
    versions = schema_name_map[api_key_map[case.spec.key]]
    return kind in versions.get(case.version, {})


def is_request(case: Case) -> bool:
    return info_of(case.cls).kind == "request"


def kafka_python_class(case: Case) -> Any:
    """Their class of the same name, or None."""
    for name in KAFKA_PYTHON:
        module = importlib.import_module(f"kafka.protocol.{name}")
        found = getattr(module, case.cls.__name__, None)
        if found is not None and case.version <= found.max_version:
            return found
    return None


KIO_CASES = [case for case in cases() if in_kio(case)]
KAFKA_PYTHON_CASES = [case for case in cases() if kafka_python_class(case) is not None]


def test_oracles_know_what_we_advertise() -> None:
    """Each advertised version is checked by an oracle; so a rename there cannot empty the tests."""
    checked = {case.id for case in (*KIO_CASES, *KAFKA_PYTHON_CASES)}
    advertised = {case.id for case in cases() if case.version in case.spec.versions}
    assert advertised <= checked


def as_kafka(value: Any) -> Any:
    """The same without the tagged fields that only our brokers know, which kio refuses."""
    if isinstance(value, (list, tuple)):
        return type(value)(as_kafka(item) for item in value)
    if not hasattr(value, "__dataclass_fields__"):
        return value
    changes = {}
    for field in dataclasses.fields(value):
        tag = field.metadata["wire"].tag if "wire" in field.metadata else None
        is_ours = tag is not None and tag >= OWN_TAGS
        changes[field.name] = field.default if is_ours else as_kafka(getattr(value, field.name))
    return dataclasses.replace(value, **changes)


@pytest.mark.semantics("10e", "11a")
@pytest.mark.parametrize("case", KIO_CASES, ids=lambda case: case.id)
def test_kio_reads_and_writes_the_same(case: Case) -> None:
    load = load_request_schema if is_request(case) else load_response_schema
    schema: Any = load(case.spec.key, case.version)
    read, write = entity_reader(schema), entity_writer(schema)
    rng = random.Random(case.id)
    for fullness in FULLNESS:
        body = encode(as_kafka(sample(case, rng, fullness)), case.version)
        entity, size_bytes = read(body, 0)
        assert size_bytes == len(body)
        written = io.BytesIO()
        write(written, entity)
        assert written.getvalue() == body


@pytest.mark.semantics("10e")
@pytest.mark.parametrize("case", KAFKA_PYTHON_CASES, ids=lambda case: case.id)
def test_kafka_python_reads_the_same_values(case: Case) -> None:
    theirs = kafka_python_class(case)
    rng = random.Random(case.id)
    for fullness in FULLNESS:
        message = sample(case, rng, fullness)
        if case.spec.key == API_VERSIONS and not is_request(case):
            # They read any error here as v0, as a client in the middle of negotiation should.
            message = dataclasses.replace(message, error_code=0)
        decoded = theirs.decode(encode(message, case.version), version=case.version)
        is_flexible = case.version >= info_of(case.cls).flexible_from
        assert as_theirs(decoded, message, case.version, is_flexible) == as_tree(
            message, case.version, is_flexible
        )


def as_tree(value: Any, version: int, is_flexible: bool) -> Any:
    """Our message as names and values of the fields this version carries."""
    if isinstance(value, tuple):
        return [as_tree(item, version, is_flexible) for item in value]
    if not hasattr(value, "__dataclass_fields__"):
        return value
    plain, tags = fields_of(type(value), version, is_flexible=is_flexible)
    names = [field.name for field in (*plain, *(field for _, field in tags))]
    return {name: as_tree(getattr(value, name), version, is_flexible) for name in names}


def as_theirs(theirs: Any, ours: Any, version: int, is_flexible: bool) -> Any:
    """Their object as names and values, walked beside ours.

    Two representations of theirs are not compared: an absent tagged field is None or empty to
    them where we have its default, and bit fields of operations are sets under another name.
    """
    if isinstance(ours, tuple):
        if len(theirs) != len(ours):
            return theirs
        pairs = zip(theirs, ours, strict=True)
        return [as_theirs(item, mine, version, is_flexible) for item, mine in pairs]
    if not hasattr(ours, "__dataclass_fields__"):
        return bytes(theirs) if isinstance(theirs, memoryview) else theirs
    _, tags = fields_of(type(ours), version, is_flexible=is_flexible)
    absent = {field.name for _, field in tags if getattr(ours, field.name) == field.default}
    tree = as_tree(ours, version, is_flexible)
    for name in tree:
        if name not in absent and not name.startswith(OPERATIONS):
            mine = getattr(ours, name)
            tree[name] = as_theirs(getattr(theirs, name), mine, version, is_flexible)
    return tree
