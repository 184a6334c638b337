"""The changes: topics, partitions, configs, ACLs, quotas, SCRAM credentials.

Each has parts that must come together: a topic its partitions and configs, two configs, two ACLs,
two quotas. What a broker shows is compared whole, so half a change is never taken for one.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages import alter_client_quotas as quotas
from data_plane.protocol.messages import alter_user_scram_credentials as scram
from data_plane.protocol.messages import create_acls as acls
from data_plane.protocol.messages import create_partitions as growing
from data_plane.protocol.messages import create_topics as topics
from data_plane.protocol.messages import delete_acls as fewer_acls
from data_plane.protocol.messages import delete_topics as fewer_topics
from data_plane.protocol.messages import describe_acls as seen_acls
from data_plane.protocol.messages import describe_client_quotas as seen_quotas
from data_plane.protocol.messages import describe_configs as seen_configs
from data_plane.protocol.messages import describe_user_scram_credentials as seen_scram
from data_plane.protocol.messages import incremental_alter_configs as configs
from data_plane.protocol.messages import metadata

SUBJECTS = 12  # of each kind, that come and go
TOPIC, USER = 2, "user"  # a resource type; an entity type
READ, WRITE, ALLOW, LITERAL = 3, 4, 3, 3
RETENTION, SEGMENT = "retention.ms", "segment.bytes"
SET_BY_TOPIC = 1  # DescribeConfigs' source
TIMEOUT_MS = 5_000

Ask = Callable[[object], Any]
Value = tuple[object, ...] | None  # None: it is not there


@dataclass(frozen=True, slots=True)
class Change:
    """One request that gives one subject one value.

    already: what a repetition of a change that had been made is told; None: it is made again.
    """

    kind: str
    subject: str
    request: object
    value: Value
    already: ErrorCode | None = None


def draw(rng: random.Random, now: dict[str, Value]) -> Change:
    """A change that makes sense for what is there now: subject -> its value."""
    kind = rng.choice(list(KINDS))
    subject = f"{kind}-{rng.randrange(SUBJECTS)}"
    return KINDS[kind].change(rng, subject, now.get(subject))


class Topics:
    """Value: partitions, retention.ms, segment.bytes."""

    def change(self, rng: random.Random, name: str, now: Value) -> Change:
        if now is None:
            return self._create(rng, name)
        count, retention, segment = now
        assert isinstance(count, int)
        chance = rng.random()
        if chance < 0.35:
            deletion = fewer_topics.DeleteTopicsRequestTopic(name=name)
            request: object = fewer_topics.DeleteTopicsRequest([deletion], timeout_ms=TIMEOUT_MS)
            return Change("delete topic", name, request, None, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if chance < 0.6:
            grown = growing.CreatePartitionsRequestTopic(name, count + 1)
            request = growing.CreatePartitionsRequest([grown], timeout_ms=TIMEOUT_MS)
            value = (count + 1, retention, segment)
            return Change("add partition", name, request, value, ErrorCode.INVALID_PARTITIONS)
        both = drawn_configs(rng)
        changed = configs.IncrementalAlterConfigsRequestResource(
            TOPIC,
            name,
            [
                configs.IncrementalAlterConfigsRequestConfig(key, configs.SET, value)
                for key, value in zip((RETENTION, SEGMENT), both, strict=True)
            ],
        )
        request = configs.IncrementalAlterConfigsRequest([changed])
        return Change("alter configs", name, request, (count, *both))

    def _create(self, rng: random.Random, name: str) -> Change:
        both = drawn_configs(rng)
        count = rng.randrange(1, 4)
        created = topics.CreateTopicsRequestTopic(
            name,
            count,
            3,
            configs=[
                topics.CreateTopicsRequestConfig(key, value)
                for key, value in zip((RETENTION, SEGMENT), both, strict=True)
            ],
        )
        request = topics.CreateTopicsRequest([created], timeout_ms=TIMEOUT_MS)
        value = (count, *both)
        return Change("create topic", name, request, value, ErrorCode.TOPIC_ALREADY_EXISTS)

    def see(self, ask: Ask, name: str) -> Value:
        asked = metadata.MetadataRequestTopic(name=name)
        (row,) = ask(metadata.MetadataRequest([asked], allow_auto_topic_creation=False)).topics
        resource = seen_configs.DescribeConfigsRequestResource(TOPIC, name, [RETENTION, SEGMENT])
        (found,) = ask(seen_configs.DescribeConfigsRequest([resource])).results
        if row.error_code or found.error_code:
            return None
        told = {one.name: one.value for one in found.configs if one.config_source == SET_BY_TOPIC}
        return len(row.partitions), told.get(RETENTION), told.get(SEGMENT)


def drawn_configs(rng: random.Random) -> tuple[str, str]:
    return str(rng.randrange(10**6, 10**9)), str(rng.randrange(10**6, 10**8))


class Acls:
    """Value: the two operations that a principal is allowed."""

    def change(self, rng: random.Random, name: str, now: Value) -> Change:
        principal = f"User:{name}"
        if now is not None:
            gone = fewer_acls.DeleteAclsRequestFilter(principal_filter=principal)
            return Change("delete acls", name, fewer_acls.DeleteAclsRequest([gone]), None)
        made = [
            acls.CreateAclsRequestCreation(TOPIC, name, LITERAL, principal, "*", operation, ALLOW)
            for operation in (READ, WRITE)
        ]
        return Change("create acls", name, acls.CreateAclsRequest(made), (READ, WRITE))

    def see(self, ask: Ask, name: str) -> Value:
        found = ask(seen_acls.DescribeAclsRequest(principal_filter=f"User:{name}"))
        allowed = sorted(one.operation for row in found.resources for one in row.acls)
        return tuple(allowed) or None


class Quotas:
    """Value: what a user may produce and consume, bytes per second."""

    KEYS = ("consumer_byte_rate", "producer_byte_rate")

    def change(self, rng: random.Random, name: str, now: Value) -> Change:
        is_removed = now is not None and rng.random() < 0.4
        value = (
            None if is_removed else (float(rng.randrange(1, 10**9)), float(rng.randrange(10**9)))
        )
        ops = [
            quotas.AlterClientQuotasRequestOp(key, value[at] if value else 0.0, value is None)
            for at, key in enumerate(self.KEYS)
        ]
        entity = [quotas.AlterClientQuotasRequestEntity(USER, name)]
        entry = quotas.AlterClientQuotasRequestEntry(entity, ops)
        return Change("alter quotas", name, quotas.AlterClientQuotasRequest([entry]), value)

    def see(self, ask: Ask, name: str) -> Value:
        wanted = seen_quotas.DescribeClientQuotasRequestComponent(USER, seen_quotas.EXACT, name)
        found = ask(seen_quotas.DescribeClientQuotasRequest([wanted]))
        told = {one.key: one.value for row in found.entries for one in row.values}
        return tuple(told[key] for key in sorted(told)) or None


class Users:
    """Value: the iterations of a SCRAM credential."""

    def change(self, rng: random.Random, name: str, now: Value) -> Change:
        if now is not None and rng.random() < 0.4:
            gone = scram.AlterUserScramCredentialsRequestDeletion(name, seen_scram.SCRAM_SHA_256)
            request = scram.AlterUserScramCredentialsRequest(deletions=[gone])
            return Change("delete user", name, request, None, ErrorCode.RESOURCE_NOT_FOUND)
        iterations = rng.randrange(4_096, 16_384)
        made = scram.AlterUserScramCredentialsRequestUpsertion(
            name, seen_scram.SCRAM_SHA_256, iterations, rng.randbytes(16), rng.randbytes(32)
        )
        request = scram.AlterUserScramCredentialsRequest(upsertions=[made])
        return Change("set user", name, request, (iterations,))

    def see(self, ask: Ask, name: str) -> Value:
        asked = seen_scram.DescribeUserScramCredentialsRequestUser(name)
        (row,) = ask(seen_scram.DescribeUserScramCredentialsRequest([asked])).results
        return tuple(one.iterations for one in row.credential_infos) or None


KINDS: dict[str, Topics | Acls | Quotas | Users] = {
    "topic": Topics(),
    "acl": Acls(),
    "quota": Quotas(),
    "user": Users(),
}


def seen(ask: Ask, subject: str) -> Value:
    """What one broker says of a subject."""
    return KINDS[subject.partition("-")[0]].see(ask, subject)


def subjects() -> Iterator[str]:
    yield from (f"{kind}-{number}" for kind in KINDS for number in range(SUBJECTS))
