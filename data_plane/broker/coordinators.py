"""The coordinators of one broker, their internal topics, and the one commit they all pass."""

from collections.abc import Callable, Collection
from random import Random
from typing import Protocol, TypeVar

from data_plane.broker.admin_access import broker_number, broker_text
from data_plane.broker.dates import Dates
from data_plane.broker.group_access import CoordinatorNode
from data_plane.broker.group_coordinators import GroupCoordinators
from data_plane.broker.internal_topics import decide_internal_topic
from data_plane.broker.marker_writer import MarkerWriter
from data_plane.broker.remote_transactions import ask_coordinator
from data_plane.broker.transaction_coordinators import TransactionCoordinators
from data_plane.coordinator.group_config import GroupConfig, MigrationPolicy
from data_plane.coordinator.group_partition import OFFSETS_TOPIC, partition_for
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.coordinator.transaction import ProducerIdAndEpoch, TopicPartition
from data_plane.coordinator.transaction_config import TransactionConfig
from data_plane.coordinator.transactions_shard import TransactionsShard
from data_plane.coordinator.transactions_topic import TRANSACTIONS_TOPIC
from data_plane.log.failures import DamagedLog
from data_plane.metadata.config_keys import items_of
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import MetadataImage, TopicImage
from data_plane.protocol.errors import (
    CoordinatorNotAvailable,
    ErrorCode,
    KafkaError,
    NotController,
)
from data_plane.protocol.messages.find_coordinator import (
    GROUP,
    TRANSACTION,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from data_plane.replication.partition import Partition
from data_plane.replication.peers import Peers
from data_plane.replication.waiting import Parked

R = TypeVar("R")

CREATED_MS_MAX = 10_000


class CoordinatingBroker(Protocol):
    """The part of the broker that its coordinators use."""

    now_ms: int
    dates: Dates
    peers: Peers

    @property
    def image(self) -> MetadataImage: ...

    def partition(self, topic: str, index: int) -> Partition: ...

    def mark_dirty(self, partition: Partition) -> None: ...

    def found_damage(self, replica: Partition, error: DamagedLog) -> ErrorCode: ...

    @property
    def controller_id(self) -> int | None: ...

    def decide(self, choose: Callable[[Controller], Decision[None]]) -> Parked | None: ...


class Coordinators:
    """Groups and transactions; every method returns at once."""

    def __init__(
        self,
        broker: CoordinatingBroker,
        broker_id: int,
        scope_of: Callable[[MetadataImage], ConfigScope],
        rng: Random,
    ) -> None:
        self._broker = broker
        self._broker_id = broker_id
        self._scope_of = scope_of
        scope = scope_of(broker.image)
        self.groups = GroupCoordinators(
            group_config(scope),
            rng,
            broker.partition,
            broker.mark_dirty,
            lambda: broker.now_ms,
            broker.found_damage,
            lambda: broker.image,
        )
        self.markers = MarkerWriter(
            self.groups,
            broker.partition,
            broker.mark_dirty,
            self._leader_elsewhere,
            broker.peers,
        )
        self.transactions = TransactionCoordinators(
            transaction_config(scope),
            self.markers,
            broker.partition,
            broker.mark_dirty,
            lambda: broker.now_ms,
            broker.found_damage,
        )
        self._creating: dict[str, list[Parked]] = {}  # topic -> who waits for it
        self._tables = (self.transactions, self.groups)

    # --- who coordinates -----------------------------------------------------------------------

    def group_node(self, group_id: str, listener: str) -> CoordinatorNode:
        """Raises CoordinatorNotAvailable while the topic or its leader is not there yet."""
        return self._node(OFFSETS_TOPIC, group_id, listener)

    def transaction_node(self, transactional_id: str, listener: str) -> CoordinatorNode:
        """Raises as `group_node`."""
        return self._node(TRANSACTIONS_TOPIC, transactional_id, listener)

    def _node(self, topic_name: str, name: str, listener: str) -> CoordinatorNode:
        topic = self._internal_topic(topic_name)
        index = partition_for(name, len(topic.partitions))
        leader = topic.partitions[index].leader
        if leader == self._broker_id and self._is_in_doubt(topic_name, index):
            raise CoordinatorNotAvailable
        broker = self._broker.image.brokers.get(leader)
        for one in () if broker is None else broker.listeners:
            if one.name == listener:
                return CoordinatorNode(leader, one.host, one.port)
        raise CoordinatorNotAvailable

    def _is_in_doubt(self, topic_name: str, index: int) -> bool:
        """Where its log cannot be opened its shard says so, in words that coordinators have."""
        try:
            return self._broker.partition(topic_name, index).is_in_doubt
        except KafkaError:
            return False

    def _internal_topic(self, name: str) -> TopicImage:
        """The topic, which is created if there is none; raises CoordinatorNotAvailable till then.

        A proposal may be committed at once, so the image is looked at again.
        """
        if self._broker.image.topic(name) is None and name not in self._creating:
            self._create(name)
        topic = self._broker.image.topic(name)
        if topic is None:
            raise CoordinatorNotAvailable(f"{name} is being created; ask again")
        return topic

    def _create(self, name: str) -> None:
        """Have the active controller create a topic, wherever that is."""
        self._creating[name] = []
        try:
            created = self._broker.decide(lambda controller: self._chosen(controller, name))
        except KafkaError as error:
            self._decided(name, error)
            return
        if created is None:
            self._created(name)
        else:
            created.when_done(lambda answer: self._decided(name, answer))

    def _decided(self, name: str, answer: object) -> None:
        controller_id = self._broker.controller_id
        if not isinstance(answer, NotController) or controller_id in (None, self._broker_id):
            self._created(name)
            return
        assert controller_id is not None, "it was looked at"
        key_type = GROUP if name == OFFSETS_TOPIC else TRANSACTION
        self._broker.peers.request(
            controller_id,
            FindCoordinatorRequest(key_type=key_type, coordinator_keys=[""]),
            lambda response: self._answered(name, response),
            timeout_ms=CREATED_MS_MAX,
        )

    def _answered(self, name: str, response: object) -> None:
        """The controller's broker has created the topic; this one's image has still to say so."""
        is_there = isinstance(response, FindCoordinatorResponse) and not any(
            each.error_code for each in response.coordinators
        )
        if not is_there or self._broker.image.topic(name) is not None:
            self._created(name)

    def _created(self, name: str) -> None:
        """It is there or was refused: whoever waits looks again."""
        for waiting in self._creating.pop(name, ()):
            waiting.complete(None)

    def tell_created(self) -> None:
        """A new image is there; it may have the topics that others created for this broker."""
        for name in [each for each in self._creating if self._broker.image.topic(each) is not None]:
            self._created(name)

    def _chosen(self, controller: Controller, name: str) -> Decision[None]:
        if controller.image.topic(name) is not None:
            return Decision(None)  # Another broker asked first.
        scope = self._scope_of(controller.image)
        return decide_internal_topic(scope, name, controller.new_id(), controller.rng)

    def topics_created(self) -> Parked | None:
        """Done once an internal topic that is being created is there or was refused; None: none is.

        Of two that are being created the one that was asked for last: it comes last.
        """
        if not self._creating:
            return None
        parked = Parked()
        self._creating[next(reversed(self._creating))].append(parked)
        return parked

    def offsets_partition(self, group_id: str) -> TopicPartition:
        """Where a group's offsets are; raises CoordinatorNotAvailable as `group_node`."""
        topic = self._internal_topic(OFFSETS_TOPIC)
        return OFFSETS_TOPIC, partition_for(group_id, len(topic.partitions))

    def _leader_elsewhere(self, at: TopicPartition) -> int | None:
        """The other broker that leads a partition; None if this one does, or nobody."""
        row = self._broker.image.partition(*at)
        return None if row is None or row.leader in (-1, self._broker_id) else row.leader

    def _coordinator_elsewhere(self, transactional_id: str) -> int | None:
        topic = self._broker.image.topic(TRANSACTIONS_TOPIC)
        if topic is None:
            return None
        index = partition_for(transactional_id, len(topic.partitions))
        return self._leader_elsewhere((TRANSACTIONS_TOPIC, index))

    def check_in_transaction(
        self, transactional_id: str, who: ProducerIdAndEpoch, at: TopicPartition
    ) -> ErrorCode | Parked:
        """May the producer write to a partition in its transaction? Raises as `group_shard`."""
        elsewhere = self._coordinator_elsewhere(transactional_id)
        if elsewhere is not None:
            return ask_coordinator(
                self._broker.peers, elsewhere, transactional_id, who, at, verify_only=True
            )
        return self.check_in_transaction_here(transactional_id, who, at)

    def check_in_transaction_here(
        self, transactional_id: str, who: ProducerIdAndEpoch, at: TopicPartition
    ) -> ErrorCode:
        """As `check_in_transaction`, of an id that must be coordinated here."""
        shard = self.transaction_shard(transactional_id)
        return self.transactions.check_in_transaction(shard, transactional_id, who, at)

    def add_partition(
        self, transactional_id: str, who: ProducerIdAndEpoch, at: TopicPartition
    ) -> ErrorCode | Parked:
        """Take a partition into an id's transaction, after the end of the one before it.

        Raises as `group_shard`.
        """
        elsewhere = self._coordinator_elsewhere(transactional_id)
        if elsewhere is not None:
            return ask_coordinator(
                self._broker.peers, elsewhere, transactional_id, who, at, verify_only=False
            )
        return self.add_partition_here(transactional_id, who, at)

    def add_partition_here(
        self, transactional_id: str, who: ProducerIdAndEpoch, at: TopicPartition
    ) -> ErrorCode | Parked:
        """As `add_partition`, to an id that must be coordinated here."""
        shard = self.transaction_shard(transactional_id)
        decision = shard.decide_add_partitions(
            transactional_id, who, [at], now_ms=self._broker.now_ms
        )
        if decision.response is not ErrorCode.CONCURRENT_TRANSACTIONS:
            return self.transactions.commit(shard, decision)
        return self.transactions.after_end(
            transactional_id, lambda: self.add_partition_here(transactional_id, who, at)
        )

    # --- shards --------------------------------------------------------------------------------

    def group_shard(self, group_id: str) -> GroupsShard:
        """Raises NotCoordinator, CoordinatorNotAvailable or CoordinatorLoadInProgress."""
        return self.groups.shard(self._broker.image, group_id, self._broker_id)

    def group_shards(self) -> list[GroupsShard]:
        """Every group shard led here; raises as `group_shard`."""
        return self.groups.shards(self._broker.image, self._broker_id)

    def transaction_shard(self, transactional_id: str) -> TransactionsShard:
        """Raises as `group_shard`."""
        return self.transactions.shard(self._broker.image, transactional_id, self._broker_id)

    def transaction_shards(self) -> list[TransactionsShard]:
        """Every transaction shard led here; raises as `group_shard`."""
        return self.transactions.shards(self._broker.image, self._broker_id)

    def commit(self, shard: GroupsShard | TransactionsShard, decision: Decision[R]) -> R | Parked:
        """Append a shard's records and replay them; answers once committed (durability.md 4)."""
        if isinstance(shard, GroupsShard):
            return self.groups.commit(shard, decision)
        return self.transactions.commit(shard, decision)

    # --- turns and time ------------------------------------------------------------------------

    def leave(self, partition: Partition) -> None:
        """Others may coordinate what is kept in it by now."""
        for table in self._tables:
            table.leave(partition)

    def follow(self) -> None:
        """The image has changed, and with it perhaps who leads."""
        for table in self._tables:
            table.follow(self._broker.image, self._broker_id)

    def flush(self, now_ms: int) -> None:
        for table in self._tables:
            if table.unflushed:
                table.flush(now_ms)

    def check_written(self) -> None:
        for table in self._tables:
            table.check_written()

    def tick(self, now_ms: int) -> None:
        """Load a slice of what is loading, and do what is due."""
        for table in self._tables:
            table.step(now_ms)
            table.expire(now_ms, self._broker.dates.deletion_ms(now_ms))

    def next_due_ms(self) -> int | None:
        """0: at once."""
        soonest_ms: int | None = None
        for table in self._tables:
            if table.has_work:
                return 0
            due_ms = table.next_due_ms()
            if due_ms is not None and (soonest_ms is None or due_ms < soonest_ms):
                soonest_ms = due_ms
        return soonest_ms

    def forget_topics(self, names: Collection[str]) -> None:
        """Topics were deleted: their offsets go with them (durability.md 7)."""
        for name in names:
            self.groups.forget_topic(name)

    def close(self) -> None:
        for table in self._tables:
            table.close()


def group_config(scope: ConfigScope) -> GroupConfig:
    """The group coordinator's settings in force."""
    return GroupConfig(
        initial_rebalance_delay_ms=broker_number(scope, "group.initial.rebalance.delay.ms"),
        session_timeout_ms_min=broker_number(scope, "group.min.session.timeout.ms"),
        session_timeout_ms_max=broker_number(scope, "group.max.session.timeout.ms"),
        group_size_max=broker_number(scope, "group.max.size"),
        consumer_session_timeout_ms=broker_number(scope, "group.consumer.session.timeout.ms"),
        consumer_heartbeat_interval_ms=broker_number(scope, "group.consumer.heartbeat.interval.ms"),
        consumer_group_size_max=broker_number(scope, "group.consumer.max.size"),
        consumer_assignors=tuple(items_of(broker_text(scope, "group.consumer.assignors"))),
        migration_policy=MigrationPolicy(broker_text(scope, "group.consumer.migration.policy")),
        offset_metadata_chars_max=broker_number(scope, "offset.metadata.max.bytes"),
        offsets_retention_ms=broker_number(scope, "offsets.retention.minutes") * 60_000,
    )


def transaction_config(scope: ConfigScope) -> TransactionConfig:
    """The transaction coordinator's settings in force."""
    return TransactionConfig(
        timeout_ms_max=broker_number(scope, "transaction.max.timeout.ms"),
        id_expiration_ms=broker_number(scope, "transactional.id.expiration.ms"),
    )
