"""Frame to reply: header, version check, handler, response in the request's own version."""

import dataclasses
import logging
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Protocol

from data_plane.broker.context import RequestContext, Throttle
from data_plane.broker.forwarding import (
    FORWARD_MS_MAX,
    FORWARDED,
    ForwardedAnswer,
    ForwardedFor,
)
from data_plane.broker.handlers import HANDLERS, handler
from data_plane.broker.quick_produce import MISSES_MAX, PRODUCE, QuickProduce, learnt
from data_plane.broker.reply import Parts, Reply
from data_plane.log.failures import LogFailure
from data_plane.protocol.answers import told_by
from data_plane.protocol.api_keys import (
    API_KEYS,
    API_VERSIONS,
    INTERNAL_KEYS,
    versions_among_brokers,
)
from data_plane.protocol.errors import ErrorCode, KafkaError, NotController, RequestTimedOut
from data_plane.protocol.headers import (
    RequestHeader,
    encode_response_header,
    read_request_header,
)
from data_plane.protocol.primitives import DecodeError
from data_plane.protocol.schema import decoder, encoder
from data_plane.replication.waiting import Parked

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

log = logging.getLogger(__name__)

FETCH: Final = 1
UNDECIDED = frozenset({ErrorCode.NOT_CONTROLLER, ErrorCode.REQUEST_TIMED_OUT})


class CloseConnection(Exception):
    """Nothing sensible can be answered; the text says why, for the log."""


class NotDecided(CloseConnection):
    """A forwarded request that is not for this node's controller: nothing was done."""


class Guard(Protocol):
    """What stands before dispatch on a listener whose clients must prove who they are."""

    def take(self, frame: memoryview, now_ms: int) -> "Reply | None":
        """Answer a frame of the proof itself; None: dispatch may have it.

        Raises CloseConnection for what may be asked neither here nor there.
        """


class Session:
    """What a connection knows about its client, from accept to close."""

    __slots__ = (
        "client_host",
        "forwarded",
        "guard",
        "is_authenticated",
        "is_internal",
        "last",
        "listener",
        "principal",
        "quick_misses",
        "quick_produce",
        "software",
        "throttle",
    )

    def __init__(
        self,
        *,
        listener: str,
        principal: str,
        client_host: str,
        is_authenticated: bool = True,
        is_internal: bool = False,
    ) -> None:
        self.listener = listener
        self.principal = principal
        self.client_host = client_host
        self.is_authenticated = is_authenticated
        self.is_internal = is_internal  # A broker of this cluster, by the listener for brokers.
        self.forwarded: ForwardedFor | None = None  # Asked of another broker, in its stead.
        self.guard: Guard | None = None
        self.quick_produce: QuickProduce | None = None
        self.quick_misses = 0
        self.throttle = Throttle()
        self.last: RequestContext | None = None  # request; known under a quota of request time
        self.software = ""  # name and version, as ApiVersions v3+ tells them (KIP-511)


def dispatch(broker: "Broker", session: Session, frame: memoryview, now_ms: int) -> Reply | None:
    """Answer one request; None: it wants no reply (acks=0).

    frame: header and body, without the size; valid only until the caller's turn ends.
    Raises CloseConnection where Kafka closes: unreadable, unknown key or version, a bug of ours.
    """
    if session.quick_produce is not None:
        try:
            quick = session.quick_produce.take(broker, session, frame, now_ms)
        except Exception as error:
            log.exception("a plain produce failed")
            raise CloseConnection("a plain produce failed") from error
        if quick is not None:
            session.quick_misses = 0
            return quick
    try:
        header, at = read_request_header(frame)
    except DecodeError as error:
        raise CloseConnection(str(error)) from error
    if header.api_key != FETCH or session.is_internal:
        broker.has_new_dates = True  # A consumer's fetch brings one forward only if it is parked.
    broker.metrics.requests += 1
    spec = API_KEYS.get(header.api_key)
    if not session.is_authenticated and header.api_key != API_VERSIONS:
        raise CloseConnection(f"API key {header.api_key} asked for before authentication")
    if spec is None or header.api_key not in HANDLERS or _is_for_brokers(session, header):
        raise CloseConnection(_refusal(session, header))
    ctx = RequestContext(
        session.principal,
        header.client_id,
        session.client_host,
        header.api_key,
        header.api_version,
        session.listener,
        now_ms,
        session.throttle,
        session.is_internal,
    )
    module = handler(header.api_key)
    if header.api_version not in spec.versions and not _is_among_brokers(broker, session, header):
        if header.api_key != API_VERSIONS:
            raise CloseConnection(_refusal(session, header))
        return _unknown_api_versions(header, module)
    try:
        if header.api_key == PRODUCE and session.quick_misses < MISSES_MAX:
            session.quick_misses += 1
            session.quick_produce = learnt(broker, frame, at, header.api_version)
        if broker.quotas.times_requests:
            return _timed(broker, session, ctx, header, module, frame, at)
        return _handle(broker, session, ctx, header, module, frame, at)
    except DecodeError as error:
        raise CloseConnection(f"{spec.name} v{header.api_version}: {error}") from error
    except CloseConnection:
        raise
    except LogFailure as error:
        broker.fail(error)
        raise
    except Exception as error:
        log.exception("%s v%d failed", spec.name, header.api_version)
        raise CloseConnection(f"{spec.name} v{header.api_version} failed") from error


def _timed(
    broker: "Broker",
    session: Session,
    ctx: RequestContext,
    header: RequestHeader,
    module: ModuleType,
    frame: memoryview,
    at: int,
) -> Reply | None:
    """As `_handle`, under a quota of request time (KIP-124)."""
    session.last = ctx
    started_ns = broker.quotas.started_ns()
    throttle_ms = broker.quotas.request_throttle_ms(ctx, ctx.now_ms)
    try:
        return _handle(broker, session, ctx, header, module, frame, at, throttle_ms)
    finally:
        broker.quotas.took(ctx, started_ns, ctx.now_ms)


def _handle(
    broker: "Broker",
    session: Session,
    ctx: RequestContext,
    header: RequestHeader,
    module: ModuleType,
    frame: memoryview,
    at: int,
    throttle_ms: int = 0,
) -> Reply | None:
    head = encode_response_header(header.api_key, header.api_version, header.correlation_id)
    if getattr(module, "IS_RAW", False):
        answer = module.handle(broker, ctx, frame[at:])
        if answer is None:
            return None
        if isinstance(answer, Parked):
            broker.park(answer)
            return Reply(None, answer, lambda parts: (head, *_parts(parts)))
        return Reply((head, *answer), None, None)
    spec = API_KEYS[header.api_key]
    # Bytes behind the request are ignored, as Kafka does: librdkafka sends three of them with
    # each Metadata request for all topics (a null array's unused count bytes).
    request, _ = decoder(spec.request, header.api_version)(frame, at)
    if header.api_key == API_VERSIONS:
        session.software = software_of(request)

    def encode(response: object) -> Parts:
        if isinstance(response, ForwardedAnswer):
            return (response.frame,)
        if session.forwarded is not None:
            response = _as_decided(session.forwarded, response)
        if isinstance(response, KafkaError) and response.code in UNDECIDED:
            undecided = getattr(module, "undecided_response", None)
            response = undecided(broker, ctx, request) if undecided else response
        if isinstance(response, KafkaError):
            error = told_by(header.api_key, response)
            response = error_response(module, request, spec.response, error)
        if throttle_ms:
            response = throttled(response, throttle_ms)
        return (head, encoder(spec.response, header.api_version)(response))

    try:
        response = module.handle(broker, ctx, request)
    except KafkaError as error:
        response = error
    if header.api_key in FORWARDED and session.forwarded is None:
        ms_max = getattr(module, "FORWARD_MS_MAX", FORWARD_MS_MAX)
        response = _or_forwarded(broker, session, frame, request, response, ms_max)
    if isinstance(response, Parked):
        broker.park(response)
        return Reply(None, response, encode)
    return Reply(encode(response), None, None)


def _or_forwarded(
    broker: "Broker",
    session: Session,
    frame: memoryview,
    request: object,
    response: object,
    forward_ms_max: int,
) -> object:
    """The response, or what the active controller says instead of NOT_CONTROLLER."""
    forwarding = broker.forwarding
    if forwarding is None or not isinstance(response, (NotController, Parked)):
        return response
    whole = bytes(frame)
    timeout_ms = getattr(request, "timeout_ms", forward_ms_max)

    def forward() -> Parked:
        return forwarding.send(
            whole,
            principal=session.principal,
            listener=session.listener,
            host=session.client_host,
            timeout_ms=timeout_ms,
        )

    if isinstance(response, NotController):
        return forward()
    broker.park(response)
    decided = Parked(mutes=response.mutes)

    def tell(answer: object) -> None:
        decided.complete(answer)

    def told(answer: object) -> None:
        if isinstance(answer, NotController):
            forward().when_done(tell)
        else:
            decided.complete(answer)

    response.when_done(told)
    return decided


def _as_decided(forwarded: ForwardedFor, response: object) -> object:
    """What the broker in between may be told. Raises NotDecided.

    A request that came again may have been carried out before by another controller, so an error
    may be its own doing.
    """
    if isinstance(response, NotController):
        raise NotDecided("this node's controller does not decide")
    if forwarded.is_again and has_error(response):
        return RequestTimedOut("whether this was done is not known")
    return response


def has_error(response: object) -> bool:
    """True if the response tells an error anywhere, rows within rows included."""
    if isinstance(response, KafkaError):
        return True
    if isinstance(response, (list, tuple)):
        return any(has_error(row) for row in response)
    if not dataclasses.is_dataclass(response):
        return False
    return any(
        bool(value) if field.name.endswith("error_code") else has_error(value)
        for field in dataclasses.fields(response)
        for value in (getattr(response, field.name),)
    )


def error_response(
    module: ModuleType, request: object, response: type[Any], error: KafkaError
) -> object:
    """A response that says nothing but the error, in the shape of its API.

    Raises TypeError where the response has no error at its top and the handler gave no
    `error_response`: a bug of ours, which dispatch turns into a closed connection.
    """
    if hasattr(module, "error_response"):
        return module.error_response(request, error)
    names = {field.name for field in dataclasses.fields(response)}
    if "error_code" not in names:
        raise TypeError(f"{response.__name__} has no error_code at its top")
    fields: dict[str, object] = {"error_code": error.code}
    if "error_message" in names:
        fields["error_message"] = error.message
    return response(**fields)


def throttled(response: Any, throttle_ms: int) -> object:
    """The response with a throttle time that is at least this, if it can tell one."""
    told_ms = getattr(response, "throttle_time_ms", None)
    if told_ms is None:
        return response
    return dataclasses.replace(response, throttle_time_ms=max(told_ms, throttle_ms))


def software_of(request: object) -> str:
    """Name and version of the client's library, empty below ApiVersions v3."""
    name = getattr(request, "client_software_name", "")
    return f"{name} {getattr(request, 'client_software_version', '')}".strip()


def _is_for_brokers(session: Session, header: RequestHeader) -> bool:
    return header.api_key in INTERNAL_KEYS and not session.is_internal


def _is_among_brokers(broker: "Broker", session: Session, header: RequestHeader) -> bool:
    level = broker.config.ottla_version_max
    return session.is_internal and header.api_version in versions_among_brokers(
        header.api_key, level
    )


def _unknown_api_versions(header: RequestHeader, module: ModuleType) -> Reply:
    """A version 0 body with error 35, which every client understands (KIP-511)."""
    response = module.unsupported_version()
    spec = API_KEYS[API_VERSIONS]
    head = encode_response_header(API_VERSIONS, 0, header.correlation_id)
    return Reply((head, encoder(spec.response, 0)(response)), None, None)


def _refusal(session: Session, header: RequestHeader) -> str:
    spec = API_KEYS.get(header.api_key)
    name = spec.name if spec else f"API key {header.api_key}"
    who = session.software or header.client_id or "unnamed client"
    return f"{name} v{header.api_version} is not served (asked by {who})"


def _parts(parts: object) -> Parts:
    if isinstance(parts, KafkaError):
        raise CloseConnection(parts.message)
    assert isinstance(parts, (list, tuple)), "raw handlers answer with buffers"
    return parts
