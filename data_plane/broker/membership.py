"""A broker among others: it registers with the active controller, then says that it is alive.

Everything goes over the quorum's own network (controller_line.py): two bytes of API key, then the
body of BrokerRegistration or BrokerHeartbeat as Kafka's brokers send them. The same object answers
the others while this node is the active controller. Times are of the quorum's clock.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from data_plane.broker.context import RequestContext
from data_plane.broker.controller_line import OnAnswer
from data_plane.broker.handlers import broker_heartbeat, broker_registration
from data_plane.broker.metadata_host import MetadataHost
from data_plane.metadata.broker_sessions import SESSION_MS
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import RegisterBrokerRecord
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.broker_heartbeat import (
    BrokerHeartbeatRequest,
    BrokerHeartbeatRequestTopic,
    BrokerHeartbeatResponse,
)
from data_plane.protocol.messages.broker_registration import (
    BrokerRegistrationRequest,
    BrokerRegistrationRequestFeature,
    BrokerRegistrationRequestListener,
    BrokerRegistrationResponse,
)
from data_plane.protocol.schema import DecodeError, decode, encode, info_of
from data_plane.replication.waiting import Parked

R = TypeVar("R")

QUORUM_LISTENER = "QUORUM"
HEARTBEAT_MS = 500
IMPATIENT_MS = 50  # while it wants to be let in, or to stop
RETRY_MS = 200
ANSWER_MS_MAX = 2_000
ABANDONED_MS = 3_000  # without a controller that answers; an election takes less

# Another incarnation has taken its place, or it was forgotten: this one must end.
ENDING = frozenset({ErrorCode.STALE_BROKER_EPOCH, ErrorCode.BROKER_ID_NOT_REGISTERED})
# It can never be taken in as it is; what else goes wrong may pass.
REFUSING = frozenset(
    {
        ErrorCode.INCONSISTENT_CLUSTER_ID,
        ErrorCode.INVALID_REGISTRATION,
        ErrorCode.UNSUPPORTED_VERSION,
    }
)
HANDLERS: Final[Mapping[int, Callable[..., Any]]] = {
    broker_registration.API_KEY: broker_registration.handle,
    broker_heartbeat.API_KEY: broker_heartbeat.handle,
}
_KEY = struct.Struct(">h")


class MembershipEnded(Exception):
    """This incarnation is no part of the cluster any more, or can never be.

    Its text says which, and the controller's code.
    """

    def __init__(self, code: ErrorCode, details: str = "") -> None:
        why = "another process has its id" if code in ENDING else "it was refused"
        super().__init__(f"{why} ({code.name})" + (f": {details}" if details else ""))


class Membership:
    """One incarnation's place in the cluster; every method returns at once.

    record: what it says of itself; its epoch is the controller's to give.
    is_done: its own committed image holds the registration; nothing is opened or served before
    (durability.md 3). is_let_in: that image has it not fenced; it may lead. It is not let in
    before `is_ready`. ended_by: why this incarnation must stop; None while it need not;
    ended_details: in words, where there are any.
    """

    def __init__(
        self,
        metadata: MetadataHost,
        record: RegisterBrokerRecord,
        *,
        cluster_id: str,
        is_ready: bool = True,
    ) -> None:
        self._metadata = metadata
        self._record = record
        self.cluster_id = cluster_id
        self.is_ready = is_ready
        self.wants_shutdown = False
        self.may_stop = False  # The others lead what it led, or stop as well.
        self.all_stop = False  # as one: who is gone before this one stays what it was
        self.ended_by: ErrorCode | None = None
        self.ended_details = ""
        self.replica_ends: Sequence[BrokerHeartbeatRequestTopic] = ()
        self._is_asking = False
        self._told_offset = -1  # in the last heartbeat
        self._due_ms = 0
        self._now_ms = 0
        self._answered_ms = 0
        self._sent_ms = 0
        self._heard_ms: int | None = None  # when the last heartbeat left that was welcome
        metadata.line.on_ask = self._on_ask

    def want_shutdown(self) -> None:
        """Ask the controller to have others lead; `may_stop` once they do."""
        self.wants_shutdown = True
        self._answered_ms = self._now_ms
        self._due_ms = 0

    def end_with_all(self) -> None:
        """All brokers of the cluster stop: nothing is handed over, and nothing changed any more."""
        self.all_stop = True
        self._metadata.controller.end_with_all()

    def tell_ends(self, ends: Sequence[BrokerHeartbeatRequestTopic]) -> None:
        """How far this broker's replicas reach of partitions that nobody may lead."""
        if ends != self.replica_ends:
            self.replica_ends = ends
            self._due_ms = 0

    def tick(self, now_ms: int) -> None:
        """Ask, if nothing is under way and it is time."""
        self._now_ms = now_ms
        if self._is_waited_for:
            self._due_ms = 0
        if self.wants_shutdown and (self.is_last or now_ms - self._answered_ms >= ABANDONED_MS):
            self.may_stop = True  # There is nobody left to lead, or nobody left to ask.
        if self._is_asking or self.ended_by is not None or now_ms < self._due_ms:
            return
        self._is_asking = True
        self._due_ms = now_ms + RETRY_MS
        known = self._known()
        if known is None:
            self._ask(registration_request(self._record, self.cluster_id), self._registered)
        else:
            self._ask(self._heartbeat(known), self._heard)

    @property
    def is_done(self) -> bool:
        return self._known() is not None

    @property
    def is_let_in(self) -> bool:
        known = self._known()
        return known is not None and not known.is_fenced

    @property
    def is_unheard(self) -> bool:
        """For a session's time no heartbeat of it was welcome: it may be fenced by now, whatever
        its own image says. False before the first.
        """
        return self._heard_ms is not None and self._now_ms - self._heard_ms >= SESSION_MS

    @property
    def is_last(self) -> bool:
        """No other broker could lead anything: all are fenced or stop as well.

        The quorum may have lost its majority to them, and then answers nothing any more.
        """
        others = self._metadata.image.active_brokers() - {self._record.broker_id}
        return self.all_stop or not others

    @property
    def _is_waited_for(self) -> bool:
        """Another broker may stop once this one has told that it knows so (heartbeats.py)."""
        image = self._metadata.image
        if image.offset <= self._told_offset:
            return False
        me = self._record.broker_id
        return any(
            one.is_shutting_down and not one.is_fenced and one.broker_id != me
            for one in image.brokers.values()
        )

    @property
    def next_due_ms(self) -> int:
        return self._due_ms

    def _known(self) -> RegisterBrokerRecord | None:
        """This incarnation as its own committed image has it."""
        known = self._metadata.image.brokers.get(self._record.broker_id)
        is_own = known is not None and known.incarnation_id == self._record.incarnation_id
        return known if is_own else None

    def _heartbeat(self, known: RegisterBrokerRecord) -> BrokerHeartbeatRequest:
        self._told_offset = self._metadata.image.offset
        self._sent_ms = self._now_ms
        return BrokerHeartbeatRequest(
            known.broker_id,
            known.broker_epoch,
            current_metadata_offset=self._told_offset,
            want_fence=not self.is_ready,
            want_shut_down=self.wants_shutdown,
            replica_ends=self.replica_ends,
        )

    def _ask(self, request: object, on_response: Callable[[bytes], None]) -> None:
        def answered(body: bytes | None) -> None:
            self._is_asking = False
            if body is not None:
                self._answered_ms = self._now_ms
                on_response(body)

        key = info_of(type(request)).api_key
        body = _KEY.pack(key) + encode(request, API_KEYS[key].versions[-1])
        self._metadata.line.ask(body, answered, until_ms=self._now_ms + ANSWER_MS_MAX)

    def _registered(self, body: bytes) -> None:
        response = decode(BrokerRegistrationResponse, API_KEYS[62].versions[-1], body)
        if response.error_code in REFUSING:
            self.ended_by = ErrorCode(response.error_code)
            if self.ended_by is ErrorCode.UNSUPPORTED_VERSION:
                self.ended_details = too_old(self._record, self._metadata.image)
        elif not response.error_code:
            self._due_ms = self._now_ms + IMPATIENT_MS

    def _heard(self, body: bytes) -> None:
        response = decode(BrokerHeartbeatResponse, API_KEYS[63].versions[-1], body)
        if response.error_code in ENDING:
            self.ended_by = ErrorCode(response.error_code)
        elif not response.error_code:
            self.may_stop = response.should_shut_down
            if not response.is_fenced:
                self._heard_ms = self._sent_ms
            if response.all_shut_down and self.wants_shutdown:
                self.end_with_all()
            is_waiting = response.is_fenced or self.wants_shutdown
            self._due_ms = self._now_ms + (IMPATIENT_MS if is_waiting else HEARTBEAT_MS)

    # --- as the active controller --------------------------------------------------------------

    def decide(self, choose: Callable[[Controller], Decision[R]]) -> R | Parked:
        """As the handlers ask it (admin_access.DecidingBroker)."""
        return self._metadata.decide(choose)

    def _on_ask(self, _broker_id: int, body: bytes, answer: OnAnswer) -> None:
        try:
            (key,) = _KEY.unpack_from(body)
            spec, handle = API_KEYS[key], HANDLERS[key]
            version = spec.versions[-1]
            request = decode(spec.request, version, body, _KEY.size)
        except (DecodeError, KeyError, struct.error):
            answer(None)
            return

        def told(response: object) -> None:
            if isinstance(response, KafkaError):
                is_elsewhere = response.code == ErrorCode.NOT_CONTROLLER
                response = spec.response(error_code=response.code)
                if is_elsewhere:
                    answer(None)
                    return
            answer(encode(response, version))

        ctx = RequestContext("", None, "", key, version, QUORUM_LISTENER, self._now_ms)
        try:
            found = handle(self, ctx, request)
        except KafkaError as error:
            told(error)
            return
        if isinstance(found, Parked):
            found.when_done(told)
        else:
            told(found)


def too_old(record: RegisterBrokerRecord, image: MetadataImage) -> str:
    """Which features the cluster has finalized at levels that a broker does not have."""
    own = {one.name: one for one in record.features}
    lacking = []
    for name, level in image.features.items():
        has = own.get(name)
        if has is None:
            lacking.append(f"{name} is finalized at {level} and unknown to this software")
        elif not has.level_min <= level <= has.level_max:
            reach = f"{has.level_min} to {has.level_max}"
            lacking.append(f"{name} is finalized at {level}, and this software has {reach}")
    return "; ".join(lacking) or "this software does not have what the cluster has finalized"


def registration_request(
    record: RegisterBrokerRecord, cluster_id: str
) -> BrokerRegistrationRequest:
    """What a broker says of itself, as a request."""
    return BrokerRegistrationRequest(
        record.broker_id,
        cluster_id,
        record.incarnation_id,
        [
            BrokerRegistrationRequestListener(each.name, each.host, each.port)
            for each in record.listeners
        ],
        [
            BrokerRegistrationRequestFeature(each.name, each.level_min, each.level_max)
            for each in record.features
        ],
        rack=record.rack,
        log_dirs=[record.directory_id],
        previous_broker_epoch=record.broker_epoch,
        node_id=record.node_id,
        restart_kind=record.restart_kind,
        spec_broker_count=record.spec_broker_count,
    )
