"""How a broker among others becomes known: it asks the active controller until that has said so."""

import logging

from data_plane.broker.controller_line import OnAnswer
from data_plane.broker.metadata_host import MetadataHost
from data_plane.metadata.brokers import decide_register_broker
from data_plane.metadata.codec import decode_record, encode_record
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.records import RegisterBrokerRecord
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.schema import DecodeError
from data_plane.replication.waiting import Parked

log = logging.getLogger(__name__)

RETRY_MS = 200
ANSWER_MS_MAX = 2_000
OK = b"\0"


class Registration:
    """Asks for one incarnation's record, and answers others' while this broker is the controller.

    `is_done` once the record is in this broker's own committed image: nothing is served before
    (durability.md 3).
    """

    def __init__(self, metadata: MetadataHost, record: RegisterBrokerRecord) -> None:
        self._metadata = metadata
        self._record = record
        self._is_asking = False
        self._due_ms = 0
        metadata.line.on_ask = self._on_ask

    @property
    def is_done(self) -> bool:
        known = self._metadata.controller.committed.brokers.get(self._record.broker_id)
        return known is not None and known.incarnation_id == self._record.incarnation_id

    def tick(self, now_ms: int) -> None:
        """Ask again, if nothing is under way and it is time."""
        if self.is_done or self._is_asking or now_ms < self._due_ms:
            return
        self._is_asking, self._due_ms = True, now_ms + RETRY_MS
        body = encode_record(self._record)
        self._metadata.line.ask(body, self._answered, until_ms=now_ms + ANSWER_MS_MAX)

    def _answered(self, _body: bytes | None) -> None:
        self._is_asking = False

    def _on_ask(self, _broker_id: int, body: bytes, answer: OnAnswer) -> None:
        try:
            record = decode_record(body)
        except DecodeError:
            answer(None)
            return
        if not isinstance(record, RegisterBrokerRecord):
            answer(None)
            return

        def choose(controller: Controller) -> Decision[int]:
            known = controller.image.brokers.get(record.broker_id)
            if known is not None and known.incarnation_id == record.incarnation_id:
                return Decision(known.broker_epoch)  # Asked again before the answer came.
            return decide_register_broker(
                controller.scope, record, next_offset=controller.next_offset
            )

        try:
            found = self._metadata.decide(choose)
        except KafkaError as error:
            log.warning("broker %d cannot register: %s", record.broker_id, error)
            answer(None)
            return
        if isinstance(found, Parked):
            found.when_done(lambda said: answer(OK if isinstance(said, int) else None))
        else:
            answer(OK)
