"""How a broker sees its part in the quorum, wherever that runs."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.messages.broker_heartbeat import BrokerHeartbeatRequestTopic
from data_plane.replication.waiting import Parked

R = TypeVar("R")
OnImage = Callable[[MetadataImage, MetadataImage], None]


class Metadata(Protocol):
    """MetadataHost on the broker's own loop, or the front of the quorum's thread (server/).

    Everything is called on the broker's loop, and so are the callbacks.
    """

    @property
    def image(self) -> MetadataImage:
        """The newest committed image that `on_image` was told of."""

    @property
    def controller_id(self) -> int | None:
        """Broker id of the active controller, as far as this broker knows."""

    @property
    def is_unheard(self) -> bool:
        """The active controller has not answered for a session's time: it may have others lead."""

    @property
    def is_idle(self) -> bool:
        """True if nothing that was decided here waits to be committed."""

    def attach(self, on_image: OnImage, on_committed: Callable[[], None]) -> None:
        """Whom to tell of each newly committed image as (before, after), before any answer

        leaves, and whom after the answers that it released.
        """

    def decide(self, choose: Callable[[Controller], Decision[R]]) -> R | Parked:
        """Decide beside the controller's own image; the response leaves once that is committed.

        choose: reads `controller.image`, raises KafkaError for a refusal of all that was asked.
        It may run later and on the quorum's thread, so it reads nothing of the broker that changes.
        Raises NotController, or answers so, while this node does not lead or its disk is full. The
        response is NotController too if what was decided never came to be, and REQUEST_TIMED_OUT
        if nobody can tell.
        """

    def pump(self) -> None:
        """The broker's turn ends."""

    def tick(self, now_ms: int) -> None:
        """Do what is due."""

    @property
    def next_due_ms(self) -> int | None:
        """When `tick` has something to do; None: never by itself."""

    def tell_ends(self, ends: Sequence[BrokerHeartbeatRequestTopic]) -> None:
        """What the controller must hear of replicas here that are lost or that nobody leads."""

    def retry(self) -> None:
        """There may be room on the disk again."""
