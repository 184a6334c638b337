"""A stand-in for the broker under admin handlers: a real controller, commits at once."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from random import Random
from typing import Any, TypeVar, cast

from data_plane.broker.client_quotas import BrokerQuotas
from data_plane.broker.config import BrokerConfig, ListenerConfig
from data_plane.broker.context import RequestContext
from data_plane.broker.handlers import handler
from data_plane.broker.metadata_cache import MetadataCache
from data_plane.broker.metrics import BrokerMetrics
from data_plane.broker.producer_id_blocks import ProducerIdBlocks
from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import AccessControlEntryRecord, BrokerListener
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import NotController
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
)
from data_plane.protocol.schema import decode, encode
from data_plane.replication.peers import NoPeers
from data_plane.replication.waiting import Parked
from data_plane.security.acls import (
    AclAuthorizer,
    AclOperation,
    AclPermission,
    PatternType,
    ResourceType,
)
from tests.factories.error_codes import checked
from tests.unit.data_plane.metadata.worlds import broker

R = TypeVar("R")

ADMIN, ALICE = "User:CN=admin,O=c1", "User:CN=alice,O=c1"


class StandIn:
    """Broker 1 of cluster c1 on listener TLS; ADMIN is super user."""

    def __init__(self, **config: Any) -> None:
        self.config = BrokerConfig(
            data_dir=cast("Any", PurePath("/data")),
            broker_id=1,
            cluster_id="c1",
            listeners=(ListenerConfig("TLS", advertised_host="broker-1.test"),),
            super_users=frozenset({ADMIN}),
            **config,
        )
        self.cluster_id = "c1"
        self.metrics = BrokerMetrics()
        self.forwarding = None
        self.producer_ids = ProducerIdBlocks(self, 1)
        self.peers = NoPeers(lambda act: act())
        self.metadata_cache = MetadataCache(1 << 20)
        self.quotas = BrokerQuotas({})
        self.controller = Controller.open(
            MemoryFiles(), PurePath("/data/meta"), voter_id=1, rng=Random(1)
        )
        internal = BrokerListener("INTERNAL", "10.0.0.1", 7000)
        registration = broker(1)
        listeners = (*registration.listeners, internal)
        self.write(dataclasses.replace(registration, listeners=listeners))

    @property
    def image(self) -> MetadataImage:
        return self.controller.committed

    @property
    def authorizer(self) -> AclAuthorizer:
        return AclAuthorizer(self.image.acls.values(), super_users=self.config.super_users)

    @property
    def controller_id(self) -> int | None:
        return self.controller.leader_id

    def decide(self, choose: Callable[[Controller], Decision[R]]) -> R | Parked:
        if not self.controller.is_active:
            raise NotController
        decision = choose(self.controller)
        self.controller.append(decision.records)
        self.controller.drive()
        return decision.response

    def in_slices(self, steps: Iterator[object]) -> None:
        for _ in steps:
            pass

    def write(self, *records: object) -> None:
        self.decide(lambda _: Decision(None, records))

    def ask(
        self,
        request: Any,
        version: int,
        *,
        principal: str = ADMIN,
        listener: str = "TLS",
        host: str = "10.0.0.9",
    ) -> Any:
        """Answer as a client of `version` sees it: request and response go over the wire."""
        key = next(spec for spec in API_KEYS.values() if spec.request is type(request))
        ctx = RequestContext(principal, "test", host, key.key, version, listener, 1_000)
        module = handler(key.key)
        assert version in module.VERSIONS
        received = decode(type(request), version, encode(request, version))
        response = module.handle(self, ctx, received)
        return checked(key.key, decode(key.response, version, encode(response, version)))

    def create(self, *names: str, partition_count: int = 1) -> None:
        topics = [CreateTopicsRequestTopic(name, partition_count, 1) for name in names]
        response = self.ask(CreateTopicsRequest(topics), 7)
        assert [row.error_code for row in response.topics] == [0] * len(names)

    def allow(
        self,
        operation: AclOperation,
        resource_name: str,
        *,
        principal: str = ALICE,
        kind: ResourceType = ResourceType.TOPIC,
        pattern: PatternType = PatternType.LITERAL,
        permission: AclPermission = AclPermission.ALLOW,
    ) -> None:
        self.write(
            AccessControlEntryRecord(
                self.controller.new_id(),
                kind,
                resource_name,
                pattern,
                principal,
                "*",
                operation,
                permission,
            )
        )

    def allow_cluster(self, operation: AclOperation) -> None:
        self.allow(operation, "kafka-cluster", kind=ResourceType.CLUSTER)


def codes_by_name(rows: Sequence[Any]) -> dict[str, int]:
    return {row.name: row.error_code for row in rows}
