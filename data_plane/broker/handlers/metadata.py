"""Metadata (key 3) v0-13. v1: null means all topics (v0: an empty list does). v4: auto creation.
v7: leader epochs. v8: authorized operations. v10: topic ids. v12: topics by id. v13: an error at
the top, of which REBOOTSTRAP_REQUIRED is for proxies to tell and never ours (KIP-1102).

A topic that is unknown or not allowed is a row with an error; only a list of all topics hides those
that the asker may not describe (kafka-protocol.md items 80-82, 91, 92).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from data_plane.broker.admin_access import (
    AdminBroker,
    allows_cluster,
    allows_topic,
    broker_flag,
    broker_number,
    cluster_operations,
    config_scope,
)
from data_plane.broker.context import RequestContext
from data_plane.broker.metadata_cache import MetadataCache
from data_plane.broker.metadata_rows import broker_rows, shown_controller
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import INTERNAL_TOPICS, MetadataImage, preview
from data_plane.metadata.records import metadata_records
from data_plane.metadata.topic_names import InvalidTopic, check_topic_name
from data_plane.metadata.topics import CreateRules, decide_create_topics
from data_plane.protocol.api_keys import NEVER
from data_plane.protocol.errors import ErrorCode, InvalidRequest, KafkaError
from data_plane.protocol.messages.create_topics import CreateTopicsRequestTopic
from data_plane.protocol.messages.metadata import (
    OPERATIONS_UNKNOWN,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from data_plane.protocol.schema import NO_ID, EncodedRows, part_encoder
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation, ResourceType

API_KEY, VERSIONS = 3, range(14)

FORWARD_MS_MAX = 5_000  # The client asks again; its connection waits for what is missing here.
TOPICS_PER_SLICE = 500  # about 3 ms
ALLOW_FLAG_FROM = 4
IDS_FROM = 12


def handle(
    broker: AdminBroker, ctx: RequestContext, request: MetadataRequest
) -> MetadataResponse | Parked:
    """Answer from the committed image, or after creating what is missing if that is wanted."""
    _check_ids(ctx, request)
    missing = _to_create(broker, ctx, request)
    if not missing:
        if _takes_long(broker, ctx, request):
            return _in_slices(broker, ctx, request)
        return _response(broker, ctx, request, broker.image, broker.metadata_cache, {})

    def choose(controller: Controller) -> Decision[MetadataResponse]:
        # No version has a code for a quota that is used up: who is over it waits afterwards.
        quota = broker.quotas.mutations(ctx, strict_from=NEVER)
        decision = decide_create_topics(missing, _rules(broker, controller, quota.charge))
        failed = {row.name: row.error_code for row in decision.response if row.error_code}
        # The answer shows the topics as they will be once it leaves: a client that had to ask
        # again after LEADER_NOT_AVAILABLE would often wait for its retry interval.
        after = preview(controller.image, metadata_records(decision.records))
        # This may run on the quorum's thread: the broker's own cache is its loop's alone.
        response = _response(broker, ctx, request, after, MetadataCache(0), failed)
        return decision.answering(replace(response, throttle_time_ms=quota.throttle_ms))

    return broker.decide(choose)


def _takes_long(broker: AdminBroker, ctx: RequestContext, request: MetadataRequest) -> bool:
    """All of so many topics that telling them at once would keep everybody else waiting."""
    if not _is_for_all(ctx, request) or len(broker.image.topics) <= TOPICS_PER_SLICE:
        return False
    key = _key_of_all(broker, ctx, request)
    return not broker.metadata_cache.has_all_rows(broker.image, broker.authorizer, key)


def _in_slices(broker: AdminBroker, ctx: RequestContext, request: MetadataRequest) -> Parked:
    """Encode some topics at a time; the answer tells the image in which the last was done."""
    parked = Parked()

    def steps() -> Iterator[None]:
        rows: list[bytes] = []
        image, authorizer, cache = broker.image, broker.authorizer, broker.metadata_cache
        for done, name in enumerate(sorted(image.topics), 1):
            topic = broker.image.topic(name)  # As it is now: the cache has one set of brokers.
            if topic is not None and allows_topic(broker, ctx, AclOperation.DESCRIBE, name):
                operations = _operations(broker, ctx, request, name)
                rows.append(cache.row(broker.image, ctx, topic, operations))
            if done % TOPICS_PER_SLICE == 0:
                yield
                if parked.is_done:
                    return  # Nobody is waiting any more.
        now = broker.image
        if now.topics is image.topics and now.brokers is image.brokers:
            key = _key_of_all(broker, ctx, request)
            if broker.authorizer is authorizer:
                cache.all_rows(now, authorizer, key, lambda: rows)
        parked.complete(_response(broker, ctx, request, now, cache, {}))

    def guarded() -> Iterator[None]:
        try:
            yield from steps()
        except Exception:  # A bug of ours: the asker must not wait for ever.
            parked.complete(KafkaError())
            raise

    broker.in_slices(guarded())
    return parked


def undecided_response(
    broker: AdminBroker, ctx: RequestContext, request: MetadataRequest
) -> MetadataResponse:
    """Nobody could decide to create what is missing: everything else is there to be told.

    An answer without brokers would leave a client with nobody to ask again.
    """
    return _response(broker, ctx, request, broker.image, broker.metadata_cache, {})


def error_response(request: MetadataRequest, error: KafkaError) -> MetadataResponse:
    """Tell the error in each row and from v13 on at the top, as Kafka does.

    NOT_CONTROLLER is not among those that Metadata knows.
    """
    code = ErrorCode.LEADER_NOT_AVAILABLE if error.code == ErrorCode.NOT_CONTROLLER else error.code
    return MetadataResponse(
        topics=[
            MetadataResponseTopic(code, each.name or "", each.topic_id)
            for each in request.topics or ()
        ],
        error_code=code,
    )


def _check_ids(ctx: RequestContext, request: MetadataRequest) -> None:
    """v10 and v11 have the field for ids in requests, but no meaning for it yet."""
    for each in request.topics or ():
        if (ctx.api_version < IDS_FROM and each.topic_id != NO_ID) or (
            each.name is None and each.topic_id == NO_ID
        ):
            raise InvalidRequest("Topic ids are understood from version 12 on.")


def _is_for_all(ctx: RequestContext, request: MetadataRequest) -> bool:
    return request.topics is None or (ctx.api_version == 0 and not request.topics)


def _to_create(
    broker: AdminBroker, ctx: RequestContext, request: MetadataRequest
) -> list[CreateTopicsRequestTopic]:
    """Return the named topics that are missing and that this asker may have created (item 81)."""
    is_wanted = ctx.api_version < ALLOW_FLAG_FROM or request.allow_auto_topic_creation
    if not (is_wanted and request.topics and _creates(broker) and broker.controller_id is not None):
        return []
    return [
        CreateTopicsRequestTopic(name)
        for name in dict.fromkeys(each.name for each in request.topics or ())
        if name is not None
        and broker.image.topic(name) is None
        and name not in INTERNAL_TOPICS
        and allows_topic(broker, ctx, AclOperation.DESCRIBE, name)
        and _may_create(broker, ctx, name)
    ]


def _creates(broker: AdminBroker) -> bool:
    return broker_flag(config_scope(broker, broker.image), "auto.create.topics.enable")


def _may_create(broker: AdminBroker, ctx: RequestContext, name: str) -> bool:
    return allows_cluster(broker, ctx, AclOperation.CREATE) or allows_topic(
        broker, ctx, AclOperation.CREATE, name
    )


def _rules(
    broker: AdminBroker, controller: Controller, charge: Callable[[int], None]
) -> CreateRules:
    scope = config_scope(broker, controller.image)
    return CreateRules(
        new_id=controller.new_id,
        rng=controller.rng,
        scope=scope,
        default_partition_count=broker_number(scope, "num.partitions"),
        default_replication_factor=broker_number(scope, "default.replication.factor"),
        charge=charge,
    )


def _response(
    broker: AdminBroker,
    ctx: RequestContext,
    request: MetadataRequest,
    image: MetadataImage,
    cache: MetadataCache,
    failed: Mapping[str, int],
) -> MetadataResponse:
    own_id = broker.config.broker_id
    brokers = broker_rows(image, ctx.listener, own_id)
    return MetadataResponse(
        brokers=brokers,
        cluster_id=broker.cluster_id,
        controller_id=shown_controller(
            [each.node_id for each in brokers], broker.controller_id, own_id
        ),
        topics=(
            _all_rows(broker, ctx, request, image, cache)
            if _is_for_all(ctx, request)
            else _named_rows(broker, ctx, request, image, cache, failed)
        ),
        cluster_authorized_operations=(
            cluster_operations(broker, ctx)
            if request.include_cluster_authorized_operations
            else OPERATIONS_UNKNOWN
        ),
    )


def _all_rows(
    broker: AdminBroker,
    ctx: RequestContext,
    request: MetadataRequest,
    image: MetadataImage,
    cache: MetadataCache,
) -> EncodedRows:
    """All topics that the asker may know of, encoded; the same for all of equal standing."""
    authorizer = broker.authorizer

    def rows() -> list[bytes]:
        return [
            cache.row(image, ctx, image.topics[name], _operations(broker, ctx, request, name))
            for name in sorted(image.topics)
            if allows_topic(broker, ctx, AclOperation.DESCRIBE, name)
        ]

    return cache.all_rows(image, authorizer, _key_of_all(broker, ctx, request), rows)


def _key_of_all(
    broker: AdminBroker, ctx: RequestContext, request: MetadataRequest
) -> tuple[object, ...]:
    """What a list of all topics depends on besides the image and the rules."""
    return (
        ctx.listener,
        ctx.api_version,
        broker.authorizer.standing(ctx.principal, ctx.client_host),
        request.include_topic_authorized_operations,
    )


def _named_rows(
    broker: AdminBroker,
    ctx: RequestContext,
    request: MetadataRequest,
    image: MetadataImage,
    cache: MetadataCache,
    failed: Mapping[str, int],
) -> EncodedRows:
    """Answer each topic once, whatever way and how often it was asked for."""
    rows = []
    encode = part_encoder(MetadataResponseTopic, MetadataResponse, ctx.api_version)
    for each in _once(request.topics or ()):
        found = image.topic(each.name) if each.name is not None else None
        topic = found or (image.topic_by_id(each.topic_id) if each.name is None else None)
        name = each.name if topic is None else topic.name
        if name is not None and not allows_topic(broker, ctx, AclOperation.DESCRIBE, name):
            rows.append(encode(_failed(each, ErrorCode.TOPIC_AUTHORIZATION_FAILED)))
        elif topic is not None:
            operations = _operations(broker, ctx, request, topic.name)
            rows.append(cache.row(image, ctx, topic, operations))
        elif each.name is None:
            rows.append(encode(_failed(each, ErrorCode.UNKNOWN_TOPIC_ID)))
        else:
            code = failed.get(each.name, _code_of_missing(broker, ctx, request, each.name))
            row = _failed(each, code)
            if code != ErrorCode.TOPIC_AUTHORIZATION_FAILED:
                operations = _operations(broker, ctx, request, each.name)
                row = replace(row, topic_authorized_operations=operations)
            rows.append(encode(row))
    return EncodedRows(len(rows), b"".join(rows))


def _once(topics: Sequence[MetadataRequestTopic]) -> list[MetadataRequestTopic]:
    seen: dict[tuple[str | None, UUID], MetadataRequestTopic] = {}
    for each in topics:
        seen.setdefault((each.name, NO_ID if each.name is not None else each.topic_id), each)
    return list(seen.values())


def _code_of_missing(
    broker: AdminBroker, ctx: RequestContext, request: MetadataRequest, name: str
) -> int:
    """Tell why a topic that was asked for by name is not there."""
    try:
        check_topic_name(name)
    except InvalidTopic as error:
        return error.code
    is_wanted = ctx.api_version < ALLOW_FLAG_FROM or request.allow_auto_topic_creation
    if is_wanted and _creates(broker) and name not in INTERNAL_TOPICS:
        if not _may_create(broker, ctx, name):
            return ErrorCode.TOPIC_AUTHORIZATION_FAILED
        return ErrorCode.LEADER_NOT_AVAILABLE  # It will be created once the quorum leads again.
    return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def _failed(asked: MetadataRequestTopic, code: int) -> MetadataResponseTopic:
    return MetadataResponseTopic(code, asked.name, asked.topic_id)


def _operations(
    broker: AdminBroker, ctx: RequestContext, request: MetadataRequest, name: str
) -> int:
    """Return the bitfield of what the asker may do to a topic, if it asked (item 92)."""
    if not request.include_topic_authorized_operations:
        return OPERATIONS_UNKNOWN
    return broker.authorizer.authorized_operations(
        ctx.principal, ResourceType.TOPIC, name, ctx.client_host
    )
