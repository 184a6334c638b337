"""Brokers decided: registered, fenced, let in again, shut down in order, forgotten.

A registration and what its restart may have lost are one transaction (durability.md 3); fencing
and what the broker led are another.
"""

import dataclasses
from collections.abc import Callable, Collection, Sequence

from data_plane.metadata.codec import OTTLA_VERSION
from data_plane.metadata.commit_rules import Judge, Judges
from data_plane.metadata.config_keys import ConfigSource
from data_plane.metadata.configs import BROKER_CONFIGS
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.features import CLUSTER_LEVEL, initial_features
from data_plane.metadata.image import BROKER_RESOURCE, MetadataImage
from data_plane.metadata.leadership import NO_LEADER, elected, kept_in_sync, without
from data_plane.metadata.records import (
    BrokerRegistrationChangeRecord,
    CommitMode,
    ConfigRecord,
    FeatureLevelRecord,
    MetadataRecord,
    PartitionRecord,
    RegisterBrokerRecord,
    RestartKind,
    UnregisterBrokerRecord,
)
from data_plane.protocol.errors import ErrorCode, InvalidRequest, KafkaError, UnsupportedVersion

UNKNOWN_EPOCH = -1
MIN_INSYNC = "min.insync.replicas"
MIN_INSYNC_OF_TWO_NODES = "2"

# One decision holds the quorum's loop for 5 ms or so (durability.md 5), and is one image elsewhere.
ROWS_MAX = 250

Change = Callable[[PartitionRecord, Judge], PartitionRecord]


class DuplicateBrokerRegistration(KafkaError):
    default_code = ErrorCode.DUPLICATE_BROKER_REGISTRATION


class InvalidRegistration(KafkaError):
    default_code = ErrorCode.INVALID_REGISTRATION


class StaleBrokerEpoch(KafkaError):
    default_code = ErrorCode.STALE_BROKER_EPOCH


class BrokerIdNotRegistered(KafkaError):
    default_code = ErrorCode.BROKER_ID_NOT_REGISTERED


def decide_register_broker(
    scope: ConfigScope,
    registration: RegisterBrokerRecord,
    *,
    next_offset: int,
    is_alive: bool = False,
    unheard: Collection[int] = (),
) -> Decision[int]:
    """Take in an incarnation; the response is its broker epoch, the offset of its record.

    registration: fenced until a heartbeat shows that the broker has replayed so far, unless it is
    the controller's own process, which has. Its epoch is the one under which the broker stopped
    cleanly, -1 if nobody knows: another than the last one shows that its directory was put back.
    is_alive: the incarnation before it has been heard of within its session.
    unheard: brokers of whom the controller has not heard yet, since it has just become active.
    What the broker led gets a new leader epoch in the same batch, always, so that nothing of an
    earlier incarnation is taken for this one's. The first registration of a cluster finalizes its
    features, the second the records of clusters.
    Raises DuplicateBrokerRegistration, InvalidRegistration, UnsupportedVersion.
    """
    image = scope.image
    known = image.brokers.get(registration.broker_id)
    _check(image, registration, known, is_alive=is_alive)
    if known is not None and _is_another_directory(known, registration):
        registration = dataclasses.replace(registration, restart_kind=RestartKind.NEW_DIRECTORY)
    features = _features(image, registration)
    epoch = next_offset + len(features)
    record = dataclasses.replace(registration, broker_epoch=epoch)
    rows = _restarted(scope, record, unheard)
    return Decision(epoch, [*features, record, *_min_insync(scope, record), *rows])


def decide_fence(
    scope: ConfigScope, broker_ids: Collection[int], unheard: Collection[int] = ()
) -> Decision[None]:
    """These are silent or gone: out of the ISRs, and others lead.

    unheard: as of `decide_leave`, by which the rest follows where there are more partitions than
    one decision takes.
    """
    brokers = [scope.image.brokers[each] for each in sorted(broker_ids)]
    fenced = [each for each in brokers if not each.is_fenced]
    if not fenced:
        return Decision(None)
    records: list[MetadataRecord] = [_change(each, is_fenced=True) for each in fenced]
    gone = {each.broker_id for each in fenced}
    return Decision(None, [*records, *_left_rows(scope, gone, unheard)])


def decide_leave(scope: ConfigScope, unheard: Collection[int] = ()) -> Decision[None]:
    """Take fenced brokers out of more ISRs, as many as one decision takes; no records: of all.

    Until then a partition is led by who is gone, or waits for it, as before it was fenced.
    unheard: as of `decide_register_broker`. A leader among them may be as dead, its disk lost: to
    it alone nobody leaves an ISR, who was fenced by a restart that everybody had no more than who
    restarts now.
    """
    gone = {each.broker_id for each in scope.image.brokers.values() if each.is_fenced}
    return Decision(None, _left_rows(scope, gone, unheard) if gone else [])


def _left_rows(
    scope: ConfigScope, gone: Collection[int], unheard: Collection[int]
) -> list[PartitionRecord]:
    def left(row: PartitionRecord, judge: Judge) -> PartitionRecord:
        after = without(row, judge, lost=gone)
        return kept_in_sync(row, after, judge) if after.leader in unheard else after

    return changed_rows(
        scope.image,
        Judges(scope, inactive=gone),
        left,
        concerned=gone,
        is_in_sync=True,
        rows_max=ROWS_MAX,
    )


def decide_unfence(scope: ConfigScope, broker: RegisterBrokerRecord) -> Decision[None]:
    """It has replayed past its registration: it may follow, and lead where nobody else may."""
    record = _change(broker, is_fenced=False)
    judges = Judges(scope, active={broker.broker_id})
    return Decision(None, [record, *leaderless_rows(scope.image, judges)])


def decide_begin_shutdown(scope: ConfigScope, broker: RegisterBrokerRecord) -> Decision[None]:
    """It wishes to stop: whatever others can lead they lead from now on.

    A partition that only this broker can lead stays with it until it is fenced.
    """
    record = _change(broker, is_fenced=False, is_shutting_down=True)
    return Decision(None, [record, *handed_over_rows(scope, broker)])


def handed_over_rows(scope: ConfigScope, broker: RegisterBrokerRecord) -> list[PartitionRecord]:
    """What a broker that shuts down leads or follows, and others can do without it by now.

    As many rows as one decision takes; it asks again until there are none.
    """
    gone = {broker.broker_id}
    judges = Judges(scope, inactive=gone)

    def handed_over(row: PartitionRecord, judge: Judge) -> PartitionRecord:
        if gone.issuperset(row.isr) and gone.issuperset(row.elr):
            return row  # Nobody else may lead.
        after = without(row, judge, lost=gone)
        is_unclean = after.is_recovering and not row.is_recovering
        return row if after.leader == NO_LEADER or is_unclean else after

    return changed_rows(
        scope.image, judges, handed_over, concerned=gone, is_in_sync=True, rows_max=ROWS_MAX
    )


def decide_unregister(scope: ConfigScope, broker_id: int) -> Decision[None]:
    """Forget a broker for good (KIP-631). Raises BrokerIdNotRegistered.

    Its replicas are taken for lost; who moves them away first loses nothing. One that still serves
    is not forgotten under its clients' hands, as Kafka would: raises InvalidRequest.
    """
    found = scope.image.brokers.get(broker_id)
    if found is None:
        raise BrokerIdNotRegistered(f"Broker {broker_id} is not registered.")
    if not found.is_fenced:
        raise InvalidRequest(f"Broker {broker_id} is serving: stop it before it is unregistered.")
    gone = {broker_id}
    judges = Judges(scope, inactive=gone)
    rows = changed_rows(
        scope.image,
        judges,
        lambda row, judge: without(row, judge, erased=gone),
        concerned=gone,
    )
    return Decision(None, [UnregisterBrokerRecord(broker_id), *rows])


def checked_broker(image: MetadataImage, broker_id: int, broker_epoch: int) -> RegisterBrokerRecord:
    """The registration of who asks. Raises BrokerIdNotRegistered or StaleBrokerEpoch."""
    found = image.brokers.get(broker_id)
    if found is None:
        raise BrokerIdNotRegistered
    if found.broker_epoch != broker_epoch:
        raise StaleBrokerEpoch(f"broker {broker_id} has epoch {found.broker_epoch}")
    return found


def changed_rows(
    image: MetadataImage,
    judges: Judges,
    change: Change,
    *,
    concerned: Collection[int],
    is_in_sync: bool = False,
    rows_max: int | None = None,
) -> list[PartitionRecord]:
    """Apply a change to every partition with a replica on one of `concerned`; return what differs.

    is_in_sync: only where one of them is in the ISR. rows_max: stop at so many.
    One pass over all partitions: 2 ms for 10,000 of them, and 10 us for each that changes.
    """
    wanted = set(concerned)
    rows = []
    for topic in image.topics.values():
        judge = None
        for row in topic.partitions:
            if wanted.isdisjoint(row.isr if is_in_sync else row.replicas):
                continue
            judge = judge or judges.of(topic.name)
            after = change(row, judge)
            if after is not row:
                rows.append(after)
                if len(rows) == rows_max:
                    return rows
    return rows


def leaderless_rows(image: MetadataImage, judges: Judges) -> list[PartitionRecord]:
    """The partitions without leader that can have one now."""
    rows = []
    for topic in image.topics.values():
        for row in topic.partitions:
            if row.leader == NO_LEADER:
                after = elected(row, judges.of(topic.name))
                if after is not row:
                    rows.append(after)
    return rows


def _check(
    image: MetadataImage,
    registration: RegisterBrokerRecord,
    known: RegisterBrokerRecord | None,
    *,
    is_alive: bool,
) -> None:
    broker_id = registration.broker_id
    if broker_id in image.retired_brokers:
        raise InvalidRegistration(f"Broker id {broker_id} was retired and is not used again.")
    if (
        known is not None
        and is_alive
        and not known.is_fenced
        and known.incarnation_id != registration.incarnation_id
        and known.directory_id != registration.directory_id
    ):
        # With the same directory it holds that directory's lock, so the other one is gone.
        raise DuplicateBrokerRegistration(f"Another broker with id {broker_id} is alive.")
    levels = {each.name: each for each in registration.features}
    for name, level in image.features.items():
        own = levels.get(name)
        if own is None or not own.level_min <= level <= own.level_max:
            raise UnsupportedVersion(
                f"Broker {broker_id} does not support {name} at level {level}, which is finalized."
            )


def _features(
    image: MetadataImage, registration: RegisterBrokerRecord
) -> Sequence[FeatureLevelRecord]:
    if not image.brokers and not image.retired_brokers:
        return initial_features(registration)
    is_second = registration.broker_id not in image.brokers
    if not is_second or image.features.get(OTTLA_VERSION, 0) >= CLUSTER_LEVEL:
        return ()
    # Who wrote the records so far can read those of clusters, or it would not be asked this.
    return [FeatureLevelRecord(OTTLA_VERSION, CLUSTER_LEVEL)]


def _is_another_directory(known: RegisterBrokerRecord, new: RegisterBrokerRecord) -> bool:
    """It is not what the incarnation `known` has left: another one, or an older copy of it.

    An older copy lacks what was synced since, whatever its clean mark says (durability.md 9).
    """
    is_older = new.restart_kind == RestartKind.CLEAN and new.broker_epoch not in (
        UNKNOWN_EPOCH,
        known.broker_epoch,
    )
    return is_older or known.directory_id != new.directory_id


def _min_insync(scope: ConfigScope, record: RegisterBrokerRecord) -> Sequence[ConfigRecord]:
    """Two machines are there: the cluster's default asks for both, unless somebody chose."""
    nodes = {each.node_id for each in scope.image.brokers.values()} | {record.node_id}
    in_force = scope.broker_candidates(BROKER_CONFIGS[MIN_INSYNC])[0]
    if len(nodes) < 2 or in_force.source is not ConfigSource.DEFAULT:
        return ()
    return [ConfigRecord(BROKER_RESOURCE, "", MIN_INSYNC, MIN_INSYNC_OF_TWO_NODES)]


def _restarted(
    scope: ConfigScope, record: RegisterBrokerRecord, unheard: Collection[int]
) -> Sequence[PartitionRecord]:
    """What the stop before this registration means for each partition (durability.md 3).

    Who may hold everything leaves the ISR, so that the watermark need not wait for it: if there is
    a leader to go on. One of whom nobody has heard may be as dead, its disk lost; it must not stay
    behind as the only one that counts.
    """
    own = {record.broker_id}
    is_let_in = not record.is_fenced
    judges = Judges(scope, inactive=own, active=own if is_let_in else ())

    def changed(row: PartitionRecord, judge: Judge) -> PartitionRecord:
        is_restarted = row.leader == record.broker_id
        if record.restart_kind == RestartKind.NEW_DIRECTORY:
            return without(row, judge, erased=own, is_restarted=is_restarted)
        if record.restart_kind == RestartKind.POWER_LOSS and row.commit_mode != CommitMode.SYNCED:
            return without(row, judge, dropped=own, is_restarted=is_restarted)
        lost = () if is_let_in else own
        after = without(row, judge, lost=lost, is_restarted=is_restarted)
        is_heard = after.leader == record.broker_id or after.leader not in unheard
        if not is_heard and record.broker_id in row.isr:
            return kept_in_sync(row, after, judge)
        return after

    return changed_rows(scope.image, judges, changed, concerned=own)


def _change(
    broker: RegisterBrokerRecord, *, is_fenced: bool, is_shutting_down: bool = False
) -> BrokerRegistrationChangeRecord:
    return BrokerRegistrationChangeRecord(
        broker.broker_id, broker.broker_epoch, is_fenced, is_shutting_down
    )
