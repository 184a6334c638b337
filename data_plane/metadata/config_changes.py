"""IncrementalAlterConfigs (KIP-339) and AlterConfigs decided: a resource changes wholly or not."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

from data_plane.metadata.commit_rules import KEYS, Judges
from data_plane.metadata.config_keys import ConfigKey, ConfigType, UpdateMode, items_of
from data_plane.metadata.configs import BROKER_CONFIGS, SPEC_GENERATION, TOPIC_CONFIGS
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.group_configs import BOUNDS, GROUP_CONFIGS
from data_plane.metadata.image import BROKER_RESOURCE, GROUP_RESOURCE, TOPIC_RESOURCE, preview
from data_plane.metadata.leadership import elected, ruled_by
from data_plane.metadata.records import ConfigRecord, MetadataRecord, PartitionRecord
from data_plane.protocol.errors import (
    InvalidConfig,
    InvalidRequest,
    KafkaError,
    PolicyViolation,
    UnknownTopicOrPartition,
)
from data_plane.protocol.messages.alter_configs import (
    AlterConfigsRequestResource,
    AlterConfigsResponseResource,
)
from data_plane.protocol.messages.incremental_alter_configs import (
    APPEND,
    DELETE,
    SET,
    SUBTRACT,
    IncrementalAlterConfigsRequestConfig,
    IncrementalAlterConfigsRequestResource,
    IncrementalAlterConfigsResponseResource,
)

CONFIGS_PER_RESOURCE_MAX = 1_000
# Topic keys that partitions are judged by, and the broker keys that they default to.
RULING = frozenset({*KEYS, *(TOPIC_CONFIGS[key].broker_key for key in KEYS)})

Resource = tuple[int, str]


def decide_incremental_alter_configs(
    scope: ConfigScope,
    resources: Sequence[IncrementalAlterConfigsRequestResource],
    *,
    validate_only: bool = False,
    refused: Mapping[Resource, KafkaError] | None = None,
) -> Decision[list[IncrementalAlterConfigsResponseResource]]:
    """Say which resources change. Row i answers resource i of the request.

    refused: resources that the asker may not alter, with what to answer.
    """
    counts = Counter((each.resource_type, each.resource_name) for each in resources)
    rows: list[IncrementalAlterConfigsResponseResource] = []
    records: list[MetadataRecord] = []
    for each in resources:
        resource = (each.resource_type, each.resource_name)
        code, message = 0, None
        try:
            if counts[resource] > 1:
                raise InvalidRequest("Each resource must appear at most once.")
            if refused and resource in refused:
                raise refused[resource]
            changes = _changes(scope, each)
            records += [*changes, *_mode_changes(scope, each, changes)]
        except KafkaError as error:
            code, message = error.code, error.message
        rows.append(IncrementalAlterConfigsResponseResource(code, message, *resource))
    return Decision(rows, () if validate_only else records)


def decide_alter_configs(
    scope: ConfigScope,
    resources: Sequence[AlterConfigsRequestResource],
    *,
    validate_only: bool = False,
    refused: Mapping[Resource, KafkaError] | None = None,
) -> Decision[list[AlterConfigsResponseResource]]:
    """Say which resources change to exactly the keys given (KIP-133). Row i answers resource i.

    What is set and not named is taken back, so this is IncrementalAlterConfigs with more to do.
    """
    decision = decide_incremental_alter_configs(
        scope,
        [_as_incremental(scope, each) for each in resources],
        validate_only=validate_only,
        refused=refused,
    )
    rows = [
        AlterConfigsResponseResource(
            row.error_code, row.error_message, row.resource_type, row.resource_name
        )
        for row in decision.response
    ]
    return Decision(rows, decision.records)


def _as_incremental(
    scope: ConfigScope, asked: AlterConfigsRequestResource
) -> IncrementalAlterConfigsRequestResource:
    named = {config.name for config in asked.configs}
    before = scope.image.configs.get((asked.resource_type, asked.resource_name), {})
    return IncrementalAlterConfigsRequestResource(
        asked.resource_type,
        asked.resource_name,
        [
            *(
                IncrementalAlterConfigsRequestConfig(config.name, SET, config.value)
                for config in asked.configs
            ),
            *(
                IncrementalAlterConfigsRequestConfig(name, DELETE)
                for name in before
                if name not in named
            ),
        ],
    )


def _changes(
    scope: ConfigScope, resource: IncrementalAlterConfigsRequestResource
) -> list[ConfigRecord]:
    names = [config.name for config in resource.configs]
    if len(set(names)) != len(names):
        raise InvalidRequest("Error due to duplicate config keys")
    if len(names) > CONFIGS_PER_RESOURCE_MAX:
        raise InvalidRequest("Too many config keys for one resource.")
    keys = _keys_of(scope, resource)
    key_of = (resource.resource_type, resource.resource_name)
    overrides = scope.image.configs.get(key_of, {})
    is_topic = resource.resource_type == TOPIC_RESOURCE
    records = []
    for config in resource.configs:
        key = keys.get(config.name)
        if key is None:
            if is_topic and config.config_operation == DELETE:
                continue  # What cannot be set is not set: nothing to take back, as in Kafka.
            raise _unknown_key(resource.resource_type, config.name)
        value = _new_value(scope, resource, key, config)
        if value != overrides.get(config.name):
            records.append(ConfigRecord(*key_of, config.name, value))
    return records


def _mode_changes(
    scope: ConfigScope,
    resource: IncrementalAlterConfigsRequestResource,
    changes: Sequence[ConfigRecord],
) -> list[PartitionRecord]:
    """The commit rule is in each partition's record, so it changes with the config, not after."""
    if not any(change.name in RULING for change in changes):
        return []
    after = dataclasses.replace(scope, image=preview(scope.image, changes))
    topics = list(after.image.topics.values())
    if resource.resource_type == TOPIC_RESOURCE:
        topics = [after.image.topics[resource.resource_name]]
    judges = Judges(after)
    rows = []
    for topic in topics:
        judge = judges.of(topic.name)
        for row in topic.partitions:
            ruled = elected(ruled_by(row, judge), judge)
            if ruled is not row:
                rows.append(ruled)
    return rows


def _keys_of(
    scope: ConfigScope, resource: IncrementalAlterConfigsRequestResource
) -> Mapping[str, ConfigKey]:
    """Return the catalogue of a resource. Raises KafkaError if the resource cannot be altered."""
    name = resource.resource_name
    if resource.resource_type == TOPIC_RESOURCE:
        if not name:
            raise InvalidRequest("Default topic resources are not allowed.")
        if scope.image.topic(name) is None:
            raise UnknownTopicOrPartition(f"The topic '{name}' does not exist.")
        return TOPIC_CONFIGS
    if resource.resource_type == GROUP_RESOURCE:
        if not name:
            raise InvalidRequest("Group name cannot be empty.")
        return GROUP_CONFIGS
    if resource.resource_type != BROKER_RESOURCE:
        raise InvalidRequest(
            f"Resource type {resource.resource_type} has no configs that can be altered."
        )
    if name and name not in {str(broker_id) for broker_id in scope.image.brokers}:
        raise InvalidRequest(
            "Unexpected broker id, expected a registered one or the empty string, "
            f"but received {name}"
        )
    return BROKER_CONFIGS


def _unknown_key(resource_type: int, name: str) -> KafkaError:
    if resource_type == GROUP_RESOURCE:
        return InvalidConfig(f"Unknown group config name: {name}")
    if resource_type == TOPIC_RESOURCE:
        return InvalidConfig(f"Unknown topic config name: {name}")
    return InvalidRequest(f"Unknown broker config name: {name}")


def _new_value(
    scope: ConfigScope,
    resource: IncrementalAlterConfigsRequestResource,
    key: ConfigKey,
    config: IncrementalAlterConfigsRequestConfig,
) -> str | None:
    """Return the override after the change, None for none; checked as the catalogue says."""
    if resource.resource_type == BROKER_RESOURCE and key.update is UpdateMode.READ_ONLY:
        raise InvalidRequest(f"Cannot update these configs dynamically: {key.name}")
    if key.name == SPEC_GENERATION:
        _check_generation(scope, resource, config)
    if config.config_operation == DELETE:
        return None
    if config.value is None:
        raise InvalidRequest(f"Null value not supported for : {key.name}")
    value = _combined(scope, resource, key, config.config_operation, config.value)
    try:
        key.parse(value)
    except InvalidConfig as error:
        if resource.resource_type != BROKER_RESOURCE:
            raise
        # Kafka answers for brokers with 42, for all else with 40 (KAFKA-13609).
        raise InvalidRequest(error.message) from error
    if resource.resource_type == GROUP_RESOURCE:
        _check_bounds(scope, key.name, int(value))
    return value


def _check_generation(
    scope: ConfigScope,
    resource: IncrementalAlterConfigsRequestResource,
    config: IncrementalAlterConfigsRequestConfig,
) -> None:
    """Of several node agents one may have an old spec: what it wants then must not be done.

    Every change by a spec begins with setting this key, through the controller; it only grows.
    """
    if resource.resource_name or config.config_operation != SET:
        raise InvalidRequest(f"{SPEC_GENERATION} is of the whole cluster, and can only be set.")
    known = scope.image.configs.get((BROKER_RESOURCE, ""), {}).get(SPEC_GENERATION, "0")
    value = config.value or ""
    if value.isdigit() and int(value) < int(known):
        raise PolicyViolation(f"The cluster was changed by generation {known} already.")


def _check_bounds(scope: ConfigScope, name: str, value: int) -> None:
    lowest, highest = (
        int(scope.broker_candidates(BROKER_CONFIGS[bound])[0].value or 0) for bound in BOUNDS[name]
    )
    if not lowest <= value <= highest:
        raise InvalidConfig(
            f"Invalid value {value} for configuration {name}:"
            f" Value must be between {lowest} and {highest}"
        )


def _combined(
    scope: ConfigScope,
    resource: IncrementalAlterConfigsRequestResource,
    key: ConfigKey,
    operation: int,
    value: str,
) -> str:
    """Lay a change over the value in force, the default included (kafka-protocol.md item 49)."""
    if operation == SET:
        return value
    if operation not in (APPEND, SUBTRACT):
        raise InvalidRequest(f"Unknown config operation {operation} for {key.name}.")
    if key.type is not ConfigType.LIST:
        word = "APPEND" if operation == APPEND else "SUBTRACT"
        raise InvalidConfig(f"Can't {word} to key {key.name} because its type is not LIST.")
    before = items_of(_in_force(scope, resource, key))
    changed = items_of(value)
    if operation == APPEND:
        return ",".join(dict.fromkeys([*before, *changed]))
    return ",".join(item for item in before if item not in changed)


def _in_force(
    scope: ConfigScope, resource: IncrementalAlterConfigsRequestResource, key: ConfigKey
) -> str:
    if resource.resource_type == TOPIC_RESOURCE:
        overrides = scope.image.topic_configs(resource.resource_name)
        return scope.topic_candidates(key, overrides)[0].value or ""
    if resource.resource_type == GROUP_RESOURCE:
        overrides = scope.image.group_configs(resource.resource_name)
        return scope.group_candidates(key, overrides)[0].value or ""
    own = scope.image.configs.get((BROKER_RESOURCE, resource.resource_name), {})
    return own.get(key.name) or scope.broker_candidates(key)[0].value or ""
