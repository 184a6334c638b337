"""The stand-in of the admin handlers, with two group shards whose commits can be held back."""

from collections.abc import Callable
from typing import Any, TypeVar

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import CoordinatorNode
from data_plane.broker.handlers import handler
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.group_partition import partition_for
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.metadata.decision import Decision
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import CoordinatorNotAvailable, KafkaError, NotCoordinator
from data_plane.protocol.schema import decode, encode
from data_plane.replication.waiting import Parked
from tests.factories.error_codes import checked
from tests.unit.data_plane.broker.handlers.admin_broker import ADMIN, StandIn
from tests.unit.data_plane.coordinator.driving import CountingRandom

R = TypeVar("R")


class GroupStandIn(StandIn):
    """Groups g and h live in different shards. `unavailable`: what group_shard raises for whom."""

    def __init__(self) -> None:
        super().__init__()
        rng = CountingRandom()
        config = GroupConfig(initial_rebalance_delay_ms=0)
        self.shards = [GroupsShard(config, rng, lambda: self.image) for _ in range(2)]
        for shard in self.shards:
            shard.finish_load(0)
        self.unavailable: dict[str, KafkaError] = {}
        self.is_created = True
        self.is_holding = False  # nothing is committed until `release` or `lose`
        self._held: list[Callable[[bool], None]] = []
        self.create("t", "u", partition_count=2)

    # --- what handlers ask ---------------------------------------------------------------------

    def group_coordinator(self, group_id: str, listener: str) -> CoordinatorNode:
        if not self.is_created:
            raise CoordinatorNotAvailable
        return CoordinatorNode(1, f"{listener.lower()}.test", 9_000 + self._index(group_id))

    def transaction_coordinator(self, transactional_id: str, listener: str) -> CoordinatorNode:
        return self.group_coordinator(transactional_id, listener)

    def internal_topics_created(self) -> Parked | None:
        return None

    def group_shard(self, group_id: str) -> GroupsShard:
        if group_id in self.unavailable:
            raise self.unavailable[group_id]
        return self.shards[self._index(group_id)]

    def group_shards(self) -> list[GroupsShard]:
        return self.shards

    def commit(self, shard: GroupsShard, decision: Decision[R]) -> R | Parked:
        for record in decision.records:
            key, value = shard.encode(record)
            shard.replay_bytes(key, value)
        parked = Parked()

        def answer(is_kept: bool) -> None:
            for token, response in decision.replies:
                assert isinstance(token, Parked)
                token.complete(response if is_kept else NotCoordinator())
            parked.complete(decision.response if is_kept else NotCoordinator())

        if self.is_holding:
            self._held.append(answer)
            return parked
        answer(True)
        return decision.response

    def _index(self, group_id: str) -> int:
        return partition_for(group_id, 2)

    # --- what tests ask ------------------------------------------------------------------------

    def release(self, is_kept: bool = True) -> None:
        """Everything held is committed now, or lost with its shard."""
        held, self._held = self._held, []
        for answer in held:
            answer(is_kept)

    def send(
        self, request: Any, version: int, *, principal: str = ADMIN, now_ms: int = 1_000
    ) -> Any:
        """The answer as it goes over the wire and back, or the Parked that will bring it."""
        key = next(spec for spec in API_KEYS.values() if spec.request is type(request))
        ctx = RequestContext(principal, "test", "10.0.0.9", key.key, version, "TLS", now_ms)
        received = decode(type(request), version, encode(request, version))
        answer = handler(key.key).handle(self, ctx, received)
        if isinstance(answer, Parked):
            return self.answer_of(answer, key.key, version) if answer.is_done else answer
        return checked(key.key, decode(key.response, version, encode(answer, version)))

    def answer_of(self, parked: Parked, api_key: int, version: int) -> Any:
        """What a parked request was answered with; an error is returned as it is."""
        assert parked.is_done, "the answer has not come yet"
        if isinstance(parked.response, KafkaError):
            return parked.response
        response = API_KEYS[api_key].response
        return checked(api_key, decode(response, version, encode(parked.response, version)))
