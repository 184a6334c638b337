"""Topics, configs and versions over the wire, where no other test says a clause."""

from typing import Any

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.api_versions import ApiVersionsRequest
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
)
from data_plane.protocol.messages.describe_log_dirs import DescribeLogDirsRequest
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from data_plane.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from tests.semantics.test_groups import commit, new_world
from tests.unit.data_plane.broker.world import World, batch_of, produced


@pytest.fixture
def world() -> World:
    return World()


def created(world: World, *topics: CreateTopicsRequestTopic, version: int = 5) -> Any:
    asked = world.ask(CreateTopicsRequest(topics=topics), version)
    world.settle()
    return asked.response().topics


@pytest.mark.semantics("6b")
@pytest.mark.parametrize(
    "name", ["a", "librdkafka", "apache-kafka-java", "kafka.js", "a--b..c", "franz-go-1.21.0", "9"]
)
def test_ordinary_names_of_software(world: World, name: str) -> None:
    for version in (3, 4):
        response = world.ask(ApiVersionsRequest(name, name), version).response()
        assert response.error_code == 0
        assert len(response.api_keys) > 40


@pytest.mark.semantics("6a")
@pytest.mark.parametrize("bad", ["", "-a", "a.", "a b", "a/b", "ü"])
@pytest.mark.parametrize("version", [0, 2, 3, 4])
def test_bad_versions_of_software_matter_from_v3_on(world: World, bad: str, version: int) -> None:
    wanted = ErrorCode.INVALID_REQUEST if version >= 3 else ErrorCode.NONE
    assert world.ask(ApiVersionsRequest("good", bad), version).response().error_code == wanted


@pytest.mark.semantics("10a", "10b")
@pytest.mark.parametrize("version", range(14))
def test_all_topics_and_none(world: World, version: int) -> None:
    world.create_topic("a")
    empty = world.ask(MetadataRequest(topics=[]), version).response().topics
    assert [row.name for row in empty] == (["a"] if version == 0 else [])
    if version >= 1:
        everything = world.ask(MetadataRequest(topics=None), version).response().topics
        assert [row.name for row in everything] == ["a"]


@pytest.mark.semantics("10c")
@pytest.mark.parametrize("version", range(2, 8))
def test_null_and_empty_in_offset_fetch(version: int) -> None:
    world = new_world()
    assert commit(world, "") == 0
    everything = world.ask(OffsetFetchRequest("g", None), version).response().topics
    assert [row.name for row in everything] == ["t"]
    assert len(world.ask(OffsetFetchRequest("g", []), version).response().topics) == 0
    one = [OffsetFetchRequestTopic("t", [])]
    (row,) = world.ask(OffsetFetchRequest("g", one), version).response().topics
    assert len(row.partitions) == 0


@pytest.mark.semantics("80e", "80f", "80g")
def test_refusals_of_create_topics(world: World) -> None:
    """Each row has its own code, and the good one beside them is made."""
    world.create_topic("there")
    world.create_topic("dotted.name")
    policy = CreateTopicsRequestConfig("cleanup.policy", "compress")
    rows = created(
        world,
        CreateTopicsRequestTopic("there", 1, 1),
        CreateTopicsRequestTopic("none", 0, 1),
        CreateTopicsRequestTopic("many", 1, 3),
        CreateTopicsRequestTopic("a/b", 1, 1),
        CreateTopicsRequestTopic("x" * 250, 1, 1),
        CreateTopicsRequestTopic("dotted_name", 1, 1),
        CreateTopicsRequestTopic("vast", 1_000_000, 1),
        CreateTopicsRequestTopic("policy", 1, 1, configs=[policy]),
        CreateTopicsRequestTopic("x" * 249, 1, 1),
    )
    assert [row.error_code for row in rows] == [36, 37, 38, 17, 17, 17, 44, 40, 0]
    assert all(row.error_message for row in rows[:-1])
    assert world.broker.image.topic("x" * 249) is not None


@pytest.mark.semantics("80e")
def test_a_topic_of_the_coordinators(world: World) -> None:
    """MirrorMaker 2 and others ask for it; it is not theirs to make, and is told to be there."""
    offsets = CreateTopicsRequestTopic("__consumer_offsets", 1, 1)
    assert created(world, offsets)[0].error_code == ErrorCode.INVALID_REQUEST
    world.ask(FindCoordinatorRequest(key="g"), 3)
    world.settle()
    assert created(world, offsets)[0].error_code == ErrorCode.TOPIC_ALREADY_EXISTS


@pytest.mark.semantics("80c", "80d", "80h")
@pytest.mark.parametrize("version", range(8))
def test_the_answer_of_create_topics(version: int) -> None:
    world = World(num_partitions="3")
    wanted = CreateTopicsRequestTopic("t", -1, -1)
    if version >= 1:
        rows = world.ask(CreateTopicsRequest([wanted], validate_only=True), version).response()
        assert rows.topics[0].error_code == 0
        assert world.broker.image.topic("t") is None
    (row,) = created(world, wanted, version=version)
    assert row.error_code == 0
    if version >= 5:
        configs = {one.name: (one.value, one.config_source) for one in row.configs}
        assert configs["cleanup.policy"] == ("delete", 5)
        assert (row.num_partitions, row.replication_factor) == (3, 1)
    if version >= 7:
        assert row.topic_id == world.topic_id("t")
    topic = world.broker.image.topic("t")
    assert topic is not None
    assert len(topic.partitions) == 3


@pytest.mark.semantics("81a", "81b")
@pytest.mark.parametrize("version", range(14))
def test_naming_a_topic_makes_it(version: int) -> None:
    """Clients below v4 cannot say no."""
    world = World(auto_create_topics_enable="true")
    for name, flag in (("no", False), ("yes", True)):
        request = MetadataRequest(
            topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=flag
        )
        asked = world.ask(request, version)
        world.settle()
        (row,) = asked.response().topics
        is_made = flag or version < 4
        assert row.error_code == (0 if is_made else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        assert len(row.partitions) == int(is_made)
        assert (world.broker.image.topic(name) is not None) == is_made


@pytest.mark.semantics("82d", "82e")
@pytest.mark.parametrize("version", range(14))
def test_a_topic_that_is_not_there_is_a_row(version: int) -> None:
    world = World(auto_create_topics_enable="false")
    (row,) = (
        world.ask(MetadataRequest([MetadataRequestTopic(name="no")]), version).response().topics
    )
    assert (row.name, row.error_code) == ("no", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    assert len(row.partitions) == 0
    if version >= 12:
        wanted = MetadataRequestTopic(world.topic_id("no"), None)
        (row,) = world.ask(MetadataRequest([wanted]), version).response().topics
        assert (row.name, row.error_code) == (None, ErrorCode.UNKNOWN_TOPIC_ID)
        assert row.topic_id == wanted.topic_id


@pytest.mark.semantics("84a", "84b", "84c")
def test_the_log_directory_has_one_name(world: World) -> None:
    world.create_topic("t")
    produced(world.produce("t", batch_of(b"x" * 300)))
    paths = set()
    for version in range(1, 5):
        (one,) = world.ask(DescribeLogDirsRequest(None), version).response().results
        paths.add(one.log_dir)
        (row,) = one.topics[0].partitions
        assert (row.offset_lag, row.is_future_key) == (0, False)
        assert row.partition_size > 300
    world.restart(lambda world: world.broker.close())
    (one,) = world.ask(DescribeLogDirsRequest(None), 4).response().results
    assert paths == {one.log_dir} == {str(world.config.data_dir)}
    assert 0 < one.usable_bytes <= one.total_bytes
