"""AdminPort over kafka-python 3: the one place that knows its admin client.

What that client lacks or does in its own way is dealt with here: it raises for whole requests
where single topics failed, gives ACL errors without a text, and its own topic configs must be told
from the broker's by their source. Client quotas, which it lacks, go through its public message
classes and the sender that its own calls use.
"""

import logging
import ssl
import uuid
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_plane.agent.admin_state import (
    AclBinding,
    AdminFailed,
    Errors,
    FeatureSeen,
    ObservedTopic,
    QuorumSeen,
    Quotas,
    SpecOutdated,
)
from data_plane.agent.replica_moves import PartitionId, PartitionSeen
from data_plane.contract.spec import TopicSpec

REQUEST_MS_MAX = 10_000
BOOTSTRAP_MS_MAX = 5_000
TOPIC_OVERRIDE = "DYNAMIC_TOPIC_CONFIG"
USER, ANY_NAME = "user", 2  # entity type and match type of DescribeClientQuotas (KIP-546)
USER_PREFIX = "User:"
SPEC_GENERATION = "ottla.spec.generation"  # a key of the embedded engine's brokers
BROKER_RESOURCE, SET = 4, 0  # IncrementalAlterConfigs (KIP-339)
POLICY_VIOLATION = 44  # what they answer to an older generation than they know
# Its connection logs name every broken connection as an error; the agent reports what matters.
logging.getLogger("kafka").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class AdminAccess:
    """How the agent reaches a cluster's brokers: mTLS, host name verification on."""

    bootstrap: Sequence[str]  # host:port each
    certificate_file: Path
    key_file: Path
    ca_file: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(str(self.certificate_file), str(self.key_file))
        context.sslsocket_class = _ClosedWhenDropped
        return context


class _ClosedWhenDropped(ssl.SSLSocket):
    """kafka-python 3.0.12 drops a socket whose handshake is cut off without closing it."""

    def __del__(self) -> None:
        self.close()


class KafkaAdmin:
    """One connection to a cluster's brokers. Not for use by two threads at once."""

    def __init__(self, access: AdminAccess) -> None:
        """Connect. Raises AdminFailed."""
        from kafka.admin import KafkaAdminClient  # 150 ms: only a process that applies pays
        from kafka.errors import KafkaError

        self._kafka_error: type[Exception] = KafkaError
        self._topic_ids: dict[str, uuid.UUID] = {}  # as last described

        try:
            self._client: Any = KafkaAdminClient(
                bootstrap_servers=list(access.bootstrap),
                client_id="ottla-agent",
                security_protocol="SSL",
                ssl_context=access.context(),
                ssl_check_hostname=True,
                request_timeout_ms=REQUEST_MS_MAX,
                bootstrap_timeout_ms=BOOTSTRAP_MS_MAX,
                reconnect_backoff_max_ms=1000,
            )
        except (OSError, ssl.SSLError) as problem:
            raise AdminFailed(f"cannot connect: {problem}") from None
        except self._kafka_error as problem:
            raise AdminFailed(f"cannot connect: {_words(problem)}") from None

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        try:
            return getattr(self._client, method)(*arguments, **options)
        except self._kafka_error as problem:
            raise AdminFailed(f"{method}: {_words(problem)}") from None
        except (OSError, ValueError, RuntimeError) as problem:
            raise AdminFailed(f"{method}: {problem}") from None

    # -- topics ---------------------------------------------------------------------------------

    def topics(self) -> Mapping[str, ObservedTopic]:
        described = [topic for topic in self._call("describe_topics") if not topic["is_internal"]]
        self._topic_ids = {topic["name"]: uuid.UUID(str(topic["topic_id"])) for topic in described}
        configs = self._overrides([topic["name"] for topic in described])
        return {
            topic["name"]: ObservedTopic(
                partition_count=len(topic["partitions"]),
                replication_factor=min(
                    (len(partition["replica_nodes"]) for partition in topic["partitions"]),
                    default=0,
                ),
                configs=configs.get(topic["name"], {}),
            )
            for topic in described
        }

    def out_of_sync_count(self) -> int:
        partitions = [
            partition
            for topic in self._call("describe_topics")
            for partition in topic["partitions"]
        ]
        return sum(len(one["isr_nodes"]) < len(one["replica_nodes"]) for one in partitions)

    def partitions(self) -> Sequence[PartitionSeen]:
        moving = self._call("list_partition_reassignments")
        adding = {
            (at.topic, at.partition): frozenset(move["adding_replicas"])
            for at, move in moving.items()
        }
        return [
            PartitionSeen(
                topic=topic["name"],
                partition=one["partition_index"],
                leader=one["leader_id"],
                replicas=tuple(one["replica_nodes"]),
                in_sync=frozenset(one["isr_nodes"]),
                adding=adding.get((topic["name"], one["partition_index"]), frozenset()),
                is_internal=topic["is_internal"],
            )
            for topic in self._call("describe_topics")
            for one in topic["partitions"]
        ]

    def racks(self) -> Mapping[int, str]:
        answer = self._call("describe_cluster")
        return {
            broker["broker_id"]: broker["rack"] or ""
            for broker in answer["brokers"]
            if not broker.get("is_fenced")
        }

    def move_replicas(self, targets: Mapping[PartitionId, Sequence[int]]) -> Errors:
        from kafka import TopicPartition

        asked = {TopicPartition(*at): list(target) for at, target in targets.items()}
        answer = self._call("alter_partition_reassignments", asked)
        return {
            at.topic: f"partition {at.partition} could not be moved: {error.__name__}"
            for at, error in answer.items()
            if error is not None
        }

    def voters(self) -> Sequence[int]:
        (topic,) = self._call("describe_metadata_quorum")["topics"]
        (partition,) = topic["partitions"]
        return [voter["replica_id"] for voter in partition["current_voters"]]

    def quorum(self) -> QuorumSeen:
        (topic,) = self._call("describe_metadata_quorum")["topics"]
        (partition,) = topic["partitions"]
        committed = partition["high_watermark"]
        behind = [one for one in partition["current_voters"] if one["log_end_offset"] < committed]
        leader_id = partition["leader_id"]
        return QuorumSeen(leader_id if leader_id >= 0 else None, len(behind))

    def feature(self, name: str) -> FeatureSeen | None:
        found = self._call("describe_features").get(name, {})
        if "supported" not in found:
            return None
        return FeatureSeen(found.get("finalized", (0, 0))[1], found["supported"][1])

    def finalize(self, name: str, level: int) -> str:
        try:
            self._call("update_features", {name: level})
        except AdminFailed as refused:
            return str(refused)
        return ""

    def claim(self, generation: int) -> None:
        from kafka.protocol.admin import IncrementalAlterConfigsRequest

        resource_of = IncrementalAlterConfigsRequest.AlterConfigsResource
        config = resource_of.AlterableConfig(
            name=SPEC_GENERATION, config_operation=SET, value=str(generation)
        )
        resource = resource_of(resource_type=BROKER_RESOURCE, resource_name="", configs=[config])
        answer = self._send(
            IncrementalAlterConfigsRequest(resources=[resource], validate_only=False)
        )
        (row,) = answer.responses
        if row.error_code == POLICY_VIOLATION:
            raise SpecOutdated(
                f"another node has applied a newer spec than generation {generation}; this node "
                "changes nothing until it has that one, too"
            )
        if row.error_code:
            raise AdminFailed(f"claim generation {generation}: {_said(row)}")

    def _overrides(self, names: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        from kafka.admin import ConfigResource, ConfigResourceType

        if not names:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        answer = self._call("describe_configs", resources, config_filter="modified")
        return {
            name: {
                key: config["value"]
                for key, config in configs.items()
                if config["config_source"] == TOPIC_OVERRIDE and config["value"] is not None
            }
            for name, configs in answer.get("topic", {}).items()
        }

    def create_topics(self, topics: Sequence[TopicSpec]) -> Errors:
        wanted = {
            topic.name: {
                "num_partitions": topic.partition_count,
                "replication_factor": topic.replication_factor,
                "configs": dict(topic.configs),
            }
            for topic in topics
        }
        answer = self._call("create_topics", wanted, raise_errors=False)
        return _topic_errors(answer["topics"])

    def delete_topics(self, names: Sequence[str]) -> Errors:
        """Those that were seen, by id: not one that got the name meanwhile."""
        asked: dict[uuid.UUID | str, str] = {self._topic_ids.get(n, n): n for n in names}
        answer = self._call("delete_topics", list(asked), raise_errors=False)
        return _topic_errors(
            [{**row, "name": _name_in(asked, row) or row["name"]} for row in answer["topics"]]
        )

    def grow_topics(self, partition_counts: Mapping[str, int]) -> Errors:
        answer = self._call("create_partitions", dict(partition_counts), raise_errors=False)
        return _topic_errors(answer.to_dict()["results"])

    def set_configs(self, changes: Mapping[str, Mapping[str, str | None]]) -> Errors:
        from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType

        resources = [
            ConfigResource(
                ConfigResourceType.TOPIC,
                name,
                configs={
                    key: (AlterConfigOp.DELETE if value is None else AlterConfigOp.SET, value)
                    for key, value in configs.items()
                },
            )
            for name, configs in changes.items()
        ]
        # raise_on_unknown would ask for every config first; the broker's answer is the same.
        answer = self._call("alter_configs", resources, raise_on_unknown=False, incremental=True)
        return {name: str(said) for name, said in answer["topic"].items() if said != "OK"}

    # -- ACLs -----------------------------------------------------------------------------------

    def acls(self) -> AbstractSet[AclBinding]:
        from kafka.admin import (
            ACLFilter,
            ACLOperation,
            ACLPermissionType,
            ACLResourcePatternType,
            ResourcePatternFilter,
            ResourceType,
        )

        everything = ACLFilter(
            principal=None,
            host=None,
            operation=ACLOperation.ANY,
            permission_type=ACLPermissionType.ANY,
            resource_pattern=ResourcePatternFilter(
                ResourceType.ANY, None, ACLResourcePatternType.ANY
            ),
        )
        found, _ = self._call("describe_acls", everything)
        return {_binding(acl) for acl in found}

    def create_acls(self, bindings: Sequence[AclBinding]) -> Sequence[str]:
        answer = self._call("create_acls", [_acl(binding) for binding in bindings])
        return [f"an ACL was refused: {error.__name__}" for error in answer["failed"]]

    def delete_acls(self, bindings: Sequence[AclBinding]) -> Sequence[str]:
        from kafka.errors import NoError

        answer = self._call("delete_acls", [_acl(binding) for binding in bindings])
        return [
            f"an ACL of {asked.principal} could not be removed: {error.__name__}"
            for asked, _, error in answer
            if error is not NoError
        ]

    # -- quotas ---------------------------------------------------------------------------------

    def quotas(self) -> Quotas:
        from kafka.protocol.admin import DescribeClientQuotasRequest

        users = DescribeClientQuotasRequest.ComponentData(
            entity_type=USER, match_type=ANY_NAME, match=None
        )
        answer = self._send(DescribeClientQuotasRequest(components=[users], strict=True))
        if answer.error_code:
            raise AdminFailed(f"describe quotas: {_said(answer)}")
        return {
            USER_PREFIX + entry.entity[0].entity_name: {one.key: one.value for one in entry.values}
            for entry in answer.entries or ()
            if entry.entity[0].entity_name is not None  # the default of all users
        }

    def set_quotas(self, changes: Mapping[str, Mapping[str, float | None]]) -> Sequence[str]:
        from kafka.protocol.admin import AlterClientQuotasRequest

        entry_of = AlterClientQuotasRequest.EntryData
        entries = [
            entry_of(
                entity=[
                    entry_of.EntityData(
                        entity_type=USER, entity_name=principal.removeprefix(USER_PREFIX)
                    )
                ],
                ops=[
                    entry_of.OpData(key=key, value=value or 0.0, remove=value is None)
                    for key, value in quotas.items()
                ],
            )
            for principal, quotas in changes.items()
        ]
        answer = self._send(AlterClientQuotasRequest(entries=entries, validate_only=False))
        return [
            f"a quota of {entry.entity[0].entity_name} was refused: {_said(entry)}"
            for entry in answer.entries
            if entry.error_code
        ]

    def _send(self, request: Any) -> Any:
        manager = self._client._manager
        try:
            return manager.run(manager.send, request)
        except self._kafka_error as problem:
            raise AdminFailed(f"{type(request).__name__}: {_words(problem)}") from None


def _said(answer: Any) -> str:
    """What a response or a row of it says is wrong."""
    from kafka.errors import for_code

    return str(answer.error_message or for_code(answer.error_code).__name__)


def _acl(binding: AclBinding) -> Any:
    """The client's own object; it serves as a filter that matches this very ACL, too."""
    from kafka.admin import (
        ACL,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePattern,
        ResourceType,
    )

    try:
        return ACL(
            principal=binding.principal,
            host=binding.host,
            operation=ACLOperation[binding.operation],
            permission_type=ACLPermissionType[binding.permission],
            resource_pattern=ResourcePattern(
                ResourceType[binding.resource_type],
                binding.resource_name,
                ACLResourcePatternType[binding.pattern_type],
            ),
        )
    except KeyError as problem:
        raise AdminFailed(f"the spec names an unknown ACL word: {problem}") from None


def _binding(acl: Any) -> AclBinding:
    return AclBinding(
        principal=acl.principal,
        resource_type=acl.resource_pattern.resource_type.name,
        resource_name=acl.resource_pattern.resource_name,
        pattern_type=acl.resource_pattern.pattern_type.name,
        operation=acl.operation.name,
        permission=acl.permission_type.name,
        host=acl.host,
    )


def _name_in(asked: Mapping[uuid.UUID | str, str], row: Mapping[str, Any]) -> str | None:
    """Which topic a row is about that may name nothing but an id."""
    return asked.get(uuid.UUID(str(row["topic_id"]))) if row.get("topic_id") else None


def _topic_errors(results: Sequence[Mapping[str, Any]]) -> Errors:
    """Per topic what the broker said, of those it refused."""
    from kafka.errors import for_code

    return {
        result["name"]: result.get("error_message") or for_code(result["error_code"]).__name__
        for result in results
        if result["error_code"] != 0
    }


def _words(problem: Exception) -> str:
    """The client's errors quote whole requests; the kind and a short text are enough."""
    return f"{type(problem).__name__}: {problem}"[:300]
