"""Topics, configs, ACLs and producer ids through the admin clients that people use."""

from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource as KafkaPythonResource
from kafka.admin import ConfigResourceType

from data_plane.metadata.configs import BROKER_CONFIGS, TOPIC_CONFIGS
from tests.integration.data_plane.broker_process import BrokerProcess
from tests.integration.data_plane.conftest import Starter

SECONDS_MAX = 10
ANYTHING: Any = None  # The client takes None for "any", its annotations do not.


def admin_of(broker: BrokerProcess) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.address})


def error_of(future: Any) -> int:
    """The code of what a future fails with."""
    with pytest.raises(KafkaException) as told:
        future.result(timeout=SECONDS_MAX)
    code: int = told.value.args[0].code()
    return code


def create(admin: AdminClient, *topics: NewTopic) -> None:
    for future in admin.create_topics(list(topics)).values():
        future.result(timeout=SECONDS_MAX)


def configs_of(admin: AdminClient, resource: ConfigResource) -> dict[str, ConfigEntry]:
    futures = admin.describe_configs([resource])
    configs: dict[str, ConfigEntry] = futures[resource].result(timeout=SECONDS_MAX)
    return configs


@pytest.mark.semantics("80e")
def test_item_80_refusals_reach_the_client_and_the_good_topic_is_there(
    broker: BrokerProcess,
) -> None:
    admin = admin_of(broker)
    asked = [NewTopic("good", 3, 1), NewTopic("a/b", 1, 1), NewTopic("wide", 1, 3)]
    futures = admin.create_topics(asked)
    futures["good"].result(timeout=SECONDS_MAX)
    assert error_of(futures["a/b"]) == 17
    assert error_of(futures["wide"]) == 38
    assert error_of(admin.create_topics([NewTopic("good", 1, 1)])["good"]) == 36
    topics = admin.list_topics(timeout=SECONDS_MAX).topics
    assert len(topics["good"].partitions) == 3
    assert "wide" not in topics


def test_a_topic_grows_and_goes(broker: BrokerProcess) -> None:
    admin = admin_of(broker)
    create(admin, NewTopic("short-lived", 1, 1))
    grown = admin.create_partitions([NewPartitions("short-lived", 4)])["short-lived"]
    grown.result(timeout=SECONDS_MAX)
    assert len(admin.list_topics(timeout=SECONDS_MAX).topics["short-lived"].partitions) == 4
    assert error_of(admin.create_partitions([NewPartitions("short-lived", 2)])["short-lived"]) == 37
    admin.delete_topics(["short-lived"])["short-lived"].result(timeout=SECONDS_MAX)
    assert "short-lived" not in admin.list_topics(timeout=SECONDS_MAX).topics
    assert error_of(admin.delete_topics(["short-lived"])["short-lived"]) == 3


@pytest.mark.semantics("49b")
def test_item_49_append_to_a_default_policy(broker: BrokerProcess) -> None:
    admin = admin_of(broker)
    create(admin, NewTopic("tidy", 1, 1, config={"retention.ms": "60000"}))
    entry = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND)
    change = ConfigResource(ConfigResource.Type.TOPIC, "tidy", incremental_configs=[entry])
    for future in admin.incremental_alter_configs([change]).values():
        future.result(timeout=SECONDS_MAX)
    configs = configs_of(admin, ConfigResource(ConfigResource.Type.TOPIC, "tidy"))
    assert configs.keys() == TOPIC_CONFIGS.keys()
    assert configs["cleanup.policy"].value == "delete,compact"
    assert configs["retention.ms"].value == "60000"


def test_item_83_a_broker_describes_itself(broker: BrokerProcess) -> None:
    configs = configs_of(admin_of(broker), ConfigResource(ConfigResource.Type.BROKER, "0"))
    assert configs.keys() == BROKER_CONFIGS.keys()
    assert configs["advertised.listeners"].value == f"PLAINTEXT://{broker.address}"
    assert configs["auto.create.topics.enable"].value == "true"
    assert configs["broker.id"].is_read_only


def test_item_83_kafka_python_describes_a_topic(broker: BrokerProcess) -> None:
    create(admin_of(broker), NewTopic("described", 1, 1))
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    try:
        resource = KafkaPythonResource(ConfigResourceType.TOPIC, "described")
        told = admin.describe_configs([resource], config_filter="all")
        (topic,) = admin.describe_topics(["described"])
    finally:
        admin.close()
    assert told["topic"]["described"].keys() == TOPIC_CONFIGS.keys()
    assert topic["partitions"][0]["leader_id"] == 0


def test_item_90_acls_are_kept_over_a_kill(start_broker: Starter) -> None:
    first = start_broker()
    binding = AclBinding(
        ResourceType.TOPIC,
        "fl",
        ResourcePatternType.PREFIXED,
        "User:CN=app,O=c1",
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )
    admin = admin_of(first)
    create(admin, NewTopic("flights", 2, 1))
    admin.create_acls([binding])[binding].result(timeout=SECONDS_MAX)
    first.kill()
    admin = admin_of(start_broker())
    everything = AclBindingFilter(
        ResourceType.ANY,
        ANYTHING,
        ResourcePatternType.ANY,
        ANYTHING,
        ANYTHING,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    assert admin.describe_acls(everything).result(timeout=SECONDS_MAX) == [binding]
    assert len(admin.list_topics(timeout=SECONDS_MAX).topics["flights"].partitions) == 2
    deleted = admin.delete_acls([everything])[everything].result(timeout=SECONDS_MAX)
    assert deleted == [binding]
    assert admin.describe_acls(everything).result(timeout=SECONDS_MAX) == []
