"""Topics, their configs, ACLs and quotas: how spec and brokers differ, and what is done about it.

The control plane owns the topic list: a topic that is not in the spec is deleted, a principal that
is not in it loses its ACLs and its quotas; other quotas are left alone. Internal topics are never
touched. The differences are pure functions; `apply` carries them out over any AdminPort
(kafka_admin.py, or a twin in tests).
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Protocol

from data_plane.contract.report import TopicStatus
from data_plane.contract.spec import AclSpec, ClusterSpec, PrincipalSpec, TopicSpec


@dataclass(frozen=True, slots=True)
class ObservedTopic:
    """A topic as brokers describe it; `configs` holds its own overrides only."""

    partition_count: int
    replication_factor: int
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class AclBinding:
    """One ACL in Kafka's words, comparable and hashable."""

    principal: str
    resource_type: str
    resource_name: str
    pattern_type: str
    operation: str
    permission: str
    host: str


Errors = Mapping[str, str]  # topic name -> why it was refused, in words
Quotas = Mapping[str, Mapping[str, float]]  # principal -> quota, by Kafka's name -> per second


class AdminPort(Protocol):
    """What is asked of the Kafka admin protocol. Calls block; each raises AdminFailed."""

    def topics(self) -> Mapping[str, ObservedTopic]:
        """All topics but internal ones."""

    def out_of_sync_count(self) -> int:
        """How many partitions, internal ones included, lack a replica in their ISR."""

    def create_topics(self, topics: Sequence[TopicSpec]) -> Errors: ...
    def delete_topics(self, names: Sequence[str]) -> Errors: ...
    def grow_topics(self, partition_counts: Mapping[str, int]) -> Errors: ...
    def set_configs(self, changes: Mapping[str, Mapping[str, str | None]]) -> Errors:
        """Per topic the overrides to set; None removes one."""

    def acls(self) -> AbstractSet[AclBinding]: ...
    def create_acls(self, bindings: Sequence[AclBinding]) -> Sequence[str]:
        """Returns what was refused, in words."""

    def delete_acls(self, bindings: Sequence[AclBinding]) -> Sequence[str]: ...

    def quotas(self) -> Quotas:
        """Those of single users, by principal."""

    def set_quotas(self, changes: Mapping[str, Mapping[str, float | None]]) -> Sequence[str]:
        """Per principal the quotas to set; None removes one. Returns what was refused."""


class AdminFailed(Exception):
    """The brokers could not be asked, or answered with an error of the whole request."""


@dataclass(frozen=True, slots=True)
class TopicChanges:
    create: Sequence[TopicSpec]
    delete: Sequence[str]
    grow: Mapping[str, int]
    configs: Mapping[str, Mapping[str, str | None]]
    refused: Errors  # what no admin call could bring about

    def __bool__(self) -> bool:
        return bool(self.create or self.delete or self.grow or self.configs)


@dataclass(frozen=True, slots=True)
class AdminOutcome:
    """What `apply` did and found. It is wholly applied where nothing was refused."""

    topics: Sequence[TopicStatus]
    changes: int  # admin calls that changed something; 0 the second time
    acl_errors: Sequence[str]  # of quotas too: both are about principals

    @property
    def topic_errors(self) -> Sequence[str]:
        """Why topics are not as asked for; a topic nobody refused may still be on its way."""
        return [
            f"{topic.name}: {topic.error or 'not visible yet'}"
            for topic in self.topics
            if topic.error or not topic.partition_count
        ]

    @property
    def is_whole(self) -> bool:
        return not self.topic_errors and not self.acl_errors


def topic_changes(
    desired: Sequence[TopicSpec], observed: Mapping[str, ObservedTopic]
) -> TopicChanges:
    wanted = {topic.name: topic for topic in desired}
    refused = {
        name: why
        for name, topic in wanted.items()
        if name in observed and (why := _impossible(topic, observed[name]))
    }
    return TopicChanges(
        create=[topic for name, topic in wanted.items() if name not in observed],
        delete=sorted(observed.keys() - wanted.keys()),
        grow={
            name: topic.partition_count
            for name, topic in wanted.items()
            if name in observed and topic.partition_count > observed[name].partition_count
        },
        configs={
            name: changes
            for name, topic in wanted.items()
            if name in observed
            and (changes := config_changes(topic.configs, observed[name].configs))
        },
        refused=refused,
    )


def _impossible(topic: TopicSpec, observed: ObservedTopic) -> str:
    if topic.partition_count < observed.partition_count:
        return (
            f"the number of partitions cannot shrink from {observed.partition_count} to "
            f"{topic.partition_count}"
        )
    if topic.replication_factor != observed.replication_factor:
        return (
            f"the replication factor cannot be changed from {observed.replication_factor} to "
            f"{topic.replication_factor} in place"
        )
    return ""


def config_changes(
    desired: Mapping[str, str], observed: Mapping[str, str]
) -> Mapping[str, str | None]:
    changed: dict[str, str | None] = {
        name: value for name, value in desired.items() if observed.get(name) != value
    }
    return changed | dict.fromkeys(observed.keys() - desired.keys())


def bindings_of(principals: Sequence[PrincipalSpec]) -> set[AclBinding]:
    return {_binding(principal.name, acl) for principal in principals for acl in principal.acls}


def _binding(principal: str, acl: AclSpec) -> AclBinding:
    return AclBinding(
        principal=principal,
        resource_type=acl.resource_type,
        resource_name=acl.resource_name,
        pattern_type=acl.pattern_type,
        operation=acl.operation,
        permission=acl.permission,
        host=acl.host,
    )


def quotas_of(principals: Sequence[PrincipalSpec]) -> dict[str, dict[str, float]]:
    return {principal.name: principal.quotas for principal in principals if principal.quotas}


def quota_changes(desired: Quotas, observed: Quotas) -> dict[str, dict[str, float | None]]:
    changes: dict[str, dict[str, float | None]] = {}
    for name in desired.keys() | observed.keys():
        wanted, held = desired.get(name, {}), observed.get(name, {})
        changed: dict[str, float | None] = {
            key: value for key, value in wanted.items() if held.get(key) != value
        }
        changed |= dict.fromkeys(held.keys() - wanted.keys())
        if changed:
            changes[name] = changed
    return changes


def apply(port: AdminPort, spec: ClusterSpec) -> AdminOutcome:
    """Bring topics, ACLs and quotas to what `spec` says, and describe what is there then.

    Order: rights are taken before anything else and given last, behind the limits that go with
    them, so that a failure on the way leaves too few rights rather than too many. Raises
    AdminFailed; a repetition goes on from there.
    """
    held, wanted = port.acls(), bindings_of(spec.principals)
    changes = 0
    acl_errors: list[str] = []
    if surplus := sorted(held - wanted):
        acl_errors += port.delete_acls(surplus)
        changes += 1
    topics, errors, topic_changes_made = _apply_topics(port, spec.topics)
    if limits := quota_changes(quotas_of(spec.principals), port.quotas()):
        acl_errors += port.set_quotas(limits)
        changes += 1
    if missing := sorted(wanted - held):
        acl_errors += port.create_acls(missing)
        changes += 1
    return AdminOutcome(
        topics=_statuses(spec.topics, topics, errors),
        changes=changes + topic_changes_made,
        acl_errors=acl_errors,
    )


def _apply_topics(
    port: AdminPort, desired: Sequence[TopicSpec]
) -> tuple[Mapping[str, ObservedTopic], Errors, int]:
    observed = port.topics()
    change = topic_changes(desired, observed)
    if not change:
        return observed, change.refused, 0
    errors = dict(change.refused)
    made = 0
    if change.delete:
        errors |= port.delete_topics(change.delete)
        made += 1
    if change.create:
        errors |= port.create_topics(change.create)
        made += 1
    if change.grow:
        errors |= port.grow_topics(change.grow)
        made += 1
    if change.configs:
        errors |= port.set_configs(change.configs)
        made += 1
    return port.topics(), errors, made


def _statuses(
    desired: Sequence[TopicSpec], observed: Mapping[str, ObservedTopic], errors: Errors
) -> list[TopicStatus]:
    """Every topic of the spec and every one that is there, with what went wrong."""
    names = sorted({topic.name for topic in desired} | observed.keys())
    nothing = ObservedTopic(0, 0)
    return [
        TopicStatus(
            name=name,
            partition_count=observed.get(name, nothing).partition_count,
            replication_factor=observed.get(name, nothing).replication_factor,
            error=errors.get(name, ""),
        )
        for name in names
    ]
