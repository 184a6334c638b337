"""IncrementalAlterConfigs decided: the four operations, and every refusal with its code."""

import dataclasses

import pytest

from data_plane.metadata.config_changes import decide_incremental_alter_configs
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import CommitMode, ConfigRecord
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.incremental_alter_configs import (
    APPEND,
    DELETE,
    SET,
    SUBTRACT,
    IncrementalAlterConfigsRequestConfig,
    IncrementalAlterConfigsRequestResource,
    IncrementalAlterConfigsResponseResource,
)
from tests.unit.data_plane.metadata.worlds import (
    after,
    broker,
    cluster,
    codes,
    refusal,
    scope_of,
    topic,
    with_topics,
)

Change = IncrementalAlterConfigsRequestConfig
Resource = IncrementalAlterConfigsRequestResource
Results = Decision[list[IncrementalAlterConfigsResponseResource]]
TOPIC, BROKER = 2, 4


@pytest.fixture
def image() -> MetadataImage:
    return with_topics(cluster(), topic("a"), topic("b", retention_ms="5"))


def alter(image: MetadataImage, *changes: Change, kind: int = TOPIC, name: str = "a") -> Results:
    return decide_incremental_alter_configs(scope_of(image), [Resource(kind, name, changes)])


def test_set_then_delete(image: MetadataImage) -> None:
    changed = after(image, alter(image, Change("retention.ms", SET, "7")))
    assert changed.topic_configs("a") == {"retention.ms": "7"}
    back = after(changed, alter(changed, Change("retention.ms", DELETE)))
    assert not back.topic_configs("a")


@pytest.mark.semantics("49b")
def test_item_49_append_on_the_default_gives_delete_compact(image: MetadataImage) -> None:
    changed = after(image, alter(image, Change("cleanup.policy", APPEND, "compact")))
    assert changed.topic_configs("a") == {"cleanup.policy": "delete,compact"}
    again = alter(changed, Change("cleanup.policy", APPEND, "compact"))
    assert codes(again.response) == [0]
    assert not again.records


def test_append_starts_from_the_static_default_of_the_broker(image: MetadataImage) -> None:
    scope = ConfigScope(image, 1, {"log.cleanup.policy": "compact"})
    asked = Resource(TOPIC, "a", [Change("cleanup.policy", APPEND, "delete")])
    changed = after(image, decide_incremental_alter_configs(scope, [asked]))
    assert changed.topic_configs("a") == {"cleanup.policy": "compact,delete"}


def test_subtract(image: MetadataImage) -> None:
    both = after(image, alter(image, Change("cleanup.policy", SET, "compact, delete")))
    changed = after(both, alter(both, Change("cleanup.policy", SUBTRACT, "delete")))
    assert changed.topic_configs("a") == {"cleanup.policy": "compact"}
    emptied = after(changed, alter(changed, Change("cleanup.policy", SUBTRACT, "compact")))
    assert emptied.topic_configs("a") == {"cleanup.policy": ""}


@pytest.mark.parametrize(
    ("kind", "name", "change", "code"),
    [
        (TOPIC, "zz", Change("retention.ms", SET, "1"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "a", Change("no.such", SET, "1"), ErrorCode.INVALID_CONFIG),
        (TOPIC, "a", Change("retention.ms", SET, "x"), ErrorCode.INVALID_CONFIG),
        (TOPIC, "a", Change("retention.ms", SET, None), ErrorCode.INVALID_REQUEST),
        (TOPIC, "a", Change("retention.ms", APPEND, "1"), ErrorCode.INVALID_CONFIG),
        (TOPIC, "a", Change("retention.ms", SUBTRACT, "1"), ErrorCode.INVALID_CONFIG),
        (TOPIC, "a", Change("retention.ms", 9, "1"), ErrorCode.INVALID_REQUEST),
        (TOPIC, "a", Change("cleanup.policy", APPEND, "shred"), ErrorCode.INVALID_CONFIG),
        (BROKER, "1", Change("num.partitions", SET, "4"), ErrorCode.INVALID_REQUEST),
        (BROKER, "7", Change("log.retention.ms", SET, "4"), ErrorCode.INVALID_REQUEST),
        (BROKER, "one", Change("log.retention.ms", SET, "4"), ErrorCode.INVALID_REQUEST),
        (BROKER, "1", Change("log.retention.ms", SET, "x"), ErrorCode.INVALID_REQUEST),
        (BROKER, "", Change("no.such", SET, "x"), ErrorCode.INVALID_REQUEST),
        (8, "1", Change("root", SET, "DEBUG"), ErrorCode.INVALID_REQUEST),
        (0, "", Change("retention.ms", SET, "1"), ErrorCode.INVALID_REQUEST),
    ],
)
def test_refusals(
    image: MetadataImage, kind: int, name: str, change: Change, code: ErrorCode
) -> None:
    decision = alter(image, change, kind=kind, name=name)
    assert codes(decision.response) == [code]
    assert decision.response[0].error_message
    assert not decision.records


def test_one_bad_key_keeps_the_whole_resource_as_it_is(image: MetadataImage) -> None:
    good, bad = Change("flush.ms", SET, "1"), Change("no.such", SET, "1")
    decision = alter(image, good, bad)
    assert codes(decision.response) == [ErrorCode.INVALID_CONFIG]
    assert not decision.records


def test_a_key_twice_and_a_resource_twice_are_refused(image: MetadataImage) -> None:
    change = Change("flush.ms", SET, "1")
    assert codes(alter(image, change, change).response) == [ErrorCode.INVALID_REQUEST]
    twice = decide_incremental_alter_configs(
        scope_of(image), [Resource(TOPIC, "a", [change]), Resource(TOPIC, "a", [change])]
    )
    assert codes(twice.response) == [ErrorCode.INVALID_REQUEST] * 2
    assert not twice.records


def test_broker_and_cluster_overrides_become_the_topics_defaults(image: MetadataImage) -> None:
    """Topic over broker over cluster over static over catalogue (KIP-226)."""

    def retention(of: MetadataImage, name: str) -> tuple[str | None, int]:
        scope = ConfigScope(of, 1, {"log.retention.ms": "40"})
        (row,) = [
            row
            for row in scope.topic_rows(of.topic_configs(name))
            if row.key.name == "retention.ms"
        ]
        return row.value, row.source

    assert retention(image, "a") == ("40", 4)
    change = Change("log.retention.ms", SET, "30")
    wide = after(image, alter(image, change, kind=BROKER, name=""))
    assert retention(wide, "a") == ("30", 3)
    change = Change("log.retention.ms", SET, "20")
    own = after(wide, alter(wide, change, kind=BROKER, name="1"))
    assert retention(own, "a") == ("20", 2)
    assert retention(own, "b") == ("5", 1)


def test_validate_only_and_refused(image: MetadataImage) -> None:
    change = Change("flush.ms", SET, "1")
    decision = decide_incremental_alter_configs(
        scope_of(image),
        [Resource(TOPIC, "a", [change]), Resource(TOPIC, "b", [change])],
        validate_only=True,
        refused={(TOPIC, "b"): refusal(ErrorCode.TOPIC_AUTHORIZATION_FAILED)},
    )
    assert codes(decision.response) == [0, ErrorCode.TOPIC_AUTHORIZATION_FAILED]
    assert not decision.records


def test_ack_durability_changes_the_commit_rule_with_the_config(image: MetadataImage) -> None:
    assert image.topics["a"].partitions[0].commit_mode == CommitMode.SYNCED
    weaker = after(image, alter(image, Change("ack.durability", SET, "replicated")))
    row = weaker.topics["a"].partitions[0]
    assert (row.commit_mode, row.partition_epoch) == (CommitMode.REPLICATED, 1)
    assert weaker.topics["b"] is image.topics["b"]
    back = after(weaker, alter(weaker, Change("ack.durability", DELETE)))
    assert back.topics["a"].partitions[0].commit_mode == CommitMode.SYNCED


def test_a_spread_partition_waits_for_its_leader_before_it_is_synced() -> None:
    """Only the leader knows when every member has synced what is committed (durability.md 1)."""
    brokers = cluster(broker(1), broker(2), broker(3))
    image = with_topics(brokers, topic("s", 1, 3, min_insync_replicas="2"))
    assert image.topics["s"].partitions[0].commit_mode == CommitMode.SPREAD
    decision = alter(image, Change("min.insync.replicas", SET, "1"), name="s")
    assert [type(record) for record in decision.records] == [ConfigRecord]


def test_a_spread_partition_becomes_replicated_at_once_and_back() -> None:
    brokers = cluster(broker(1), broker(2), broker(3))
    image = with_topics(brokers, topic("s", 1, 3, min_insync_replicas="2"))
    weaker = after(image, alter(image, Change("ack.durability", SET, "replicated"), name="s"))
    assert weaker.topics["s"].partitions[0].commit_mode == CommitMode.REPLICATED
    back = after(weaker, alter(weaker, Change("ack.durability", DELETE), name="s"))
    assert back.topics["s"].partitions[0].commit_mode == CommitMode.SPREAD


def test_a_lower_min_insync_lets_the_high_watermark_move_so_the_elr_goes_with_it() -> None:
    """Else a member of E would not hold what is committed from then on."""
    brokers = cluster(broker(1), broker(2), broker(3))
    image = with_topics(brokers, topic("s", 1, 3, min_insync_replicas="3"))
    row = image.topics["s"].partitions[0]
    shrunk = dataclasses.replace(row, isr=row.replicas[:2], elr=row.replicas[2:])
    image = after(image, Decision(None, [shrunk]))
    decision = alter(image, Change("min.insync.replicas", SET, "2"), name="s")
    assert not after(image, decision).topics["s"].partitions[0].elr


def test_the_clusters_default_rules_topics_without_their_own() -> None:
    brokers = cluster(broker(1), broker(2), broker(3))
    image = with_topics(brokers, topic("own", 1, 3, min_insync_replicas="1"), topic("t", 1, 3))
    assert image.topics["t"].partitions[0].commit_mode == CommitMode.SYNCED
    change = Change("min.insync.replicas", SET, "2")
    wide = after(image, alter(image, change, kind=BROKER, name=""))
    modes = {name: one.partitions[0].commit_mode for name, one in wide.topics.items()}
    assert modes == {"own": CommitMode.SYNCED, "t": CommitMode.SPREAD}


def test_the_spec_generation_only_grows(image: MetadataImage) -> None:
    """What a node agent with an old spec wants is refused before it is done."""

    def claim(of: MetadataImage, value: str, name: str = "") -> Results:
        return alter(of, Change("ottla.spec.generation", SET, value), kind=BROKER, name=name)

    changed = after(image, claim(image, "7"))
    for value in ("7", "8", "70"):
        assert codes(claim(changed, value).response) == [0]
    for value in ("6", "0"):
        (row,) = claim(changed, value).response
        assert (row.error_code, row.error_message) == (
            ErrorCode.POLICY_VIOLATION,
            "The cluster was changed by generation 7 already.",
        )
    deleted = alter(changed, Change("ottla.spec.generation", DELETE), kind=BROKER, name="")
    assert codes(deleted.response) == [ErrorCode.INVALID_REQUEST]
    assert codes(claim(changed, "9", name="0").response) == [ErrorCode.INVALID_REQUEST]
