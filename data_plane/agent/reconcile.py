"""Desired and observed state of one cluster to ordered steps. Pure: nothing is done here.

A running cluster is brought about in this order, each step only where it is needed:

    stop and remove brokers that the spec no longer lists
    -> end brokers that served and hang                        (their policy starts them again)
    -> stop brokers whose files changed, or that run other software than they shall (a restart:
       they start again below; of several that serve one at a time, the active controller last, and
       only while all serve, every partition has all its replicas in sync and every voter has
       caught up; where they are on several nodes, only the one whose turn it is)
    -> reserve ports that other nodes must know first
    -> prepare ports -> write files -> start        (each broker that is not running)
    -> write certificates anew and have them reloaded       (no restart: clients stay)
    -> repair files of brokers that run             (someone else changed them)
    -> wait until all serve
    -> apply topics, configs and ACLs               (new generation, or a look for drift is due)

An absent one: stop the brokers, all at once, then remove the cluster's directory.
The same spec twice gives no step at all: every step is a difference between wish and sight.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from data_plane.agent.storage import Digests
from data_plane.contract.rolling import RollView, next_to_restart
from data_plane.contract.spec import ClusterSpec

UNKNOWN = Digests()
UNSEEN = RollView()


@dataclass(frozen=True, slots=True)
class PreparePorts:
    broker_id: int


@dataclass(frozen=True, slots=True)
class ReservePeerPorts:
    broker_id: int


@dataclass(frozen=True, slots=True)
class WriteFiles:
    broker_id: int


@dataclass(frozen=True, slots=True)
class StartBroker:
    broker_id: int


@dataclass(frozen=True, slots=True)
class ReloadBroker:
    broker_id: int


@dataclass(frozen=True, slots=True)
class StopBroker:
    broker_id: int
    why: str


@dataclass(frozen=True, slots=True)
class StopBrokers:
    """Several at the same time: none has anybody to hand over to."""

    broker_ids: tuple[int, ...]
    why: str


@dataclass(frozen=True, slots=True)
class EndHungBroker:
    broker_id: int


@dataclass(frozen=True, slots=True)
class RemoveBroker:
    broker_id: int


@dataclass(frozen=True, slots=True)
class ApplyAdminState:
    generation: int


@dataclass(frozen=True, slots=True)
class RemoveCluster:
    pass


Step = (
    PreparePorts | ReservePeerPorts | WriteFiles | StartBroker | ReloadBroker | StopBroker
    | StopBrokers | EndHungBroker | RemoveBroker | ApplyAdminState | RemoveCluster
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BrokerSeen:
    """One broker as it is. Digests are of the files' names and bytes."""

    is_running: bool = False
    is_ready: bool = False
    has_served: bool = False  # this process, once: now silent, it is slow or hangs
    is_hung: bool = False  # too long without any answer
    is_outdated: bool = False  # its process runs other software than it shall
    has_ever_served: bool = False  # any process of this broker
    is_formatted: bool = False  # its data directory is; before that it can be no voter
    may_start: bool = True  # the restart policy's word
    has_ports: bool = True  # those for other nodes too, where it will need them
    has_read: Digests = UNKNOWN  # what its process has read, at its start or since
    on_disk: Digests = UNKNOWN
    wanted: Digests = UNKNOWN  # what the spec asks for; unknown until ports are


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    has_directory: bool
    brokers: Mapping[int, BrokerSeen]
    is_admin_due: bool = True  # generation not applied yet, or the time to look for drift has come
    roll: RollView = UNSEEN  # looked at where a restart depends on it
    turn_done: int = 0  # number of the last turn that is over


def steps(spec: ClusterSpec, seen: ClusterSeen) -> Sequence[Step]:
    """What to do now, in order; empty when there is nothing to do, or only to wait."""
    if spec.desired == "absent":
        return tuple(_removal(seen))
    return (
        *_unlisted_brokers(spec, seen),
        *_hung_brokers(spec, seen),
        *_changed_brokers(spec, seen),
        *_missing_ports(spec, seen),
        *_missing_brokers(spec, seen),
        *_changed_certificates(spec, seen),
        *_drifted_files(spec, seen),
        *_admin_state(spec, seen),
    )


def _removal(seen: ClusterSeen) -> Iterator[Step]:
    running = tuple(key for key, broker in sorted(seen.brokers.items()) if broker.is_running)
    if running:
        yield StopBrokers(running, "the cluster is to be absent")
    # A broker that never found ports has no directory yet, but is known all the same.
    if seen.has_directory or seen.brokers:
        yield RemoveCluster()


def _unlisted_brokers(spec: ClusterSpec, seen: ClusterSeen) -> Iterator[Step]:
    listed = {broker.broker_id for broker in spec.brokers}
    for broker_id, broker in sorted(seen.brokers.items()):
        if broker_id in listed:
            continue
        if broker.is_running:
            yield StopBroker(broker_id, "the spec lists it no longer")
        yield RemoveBroker(broker_id)


def _hung_brokers(spec: ClusterSpec, seen: ClusterSeen) -> Iterator[Step]:
    """At once and each by itself: the cluster does without them already."""
    for broker_id, broker in _listed(spec, seen):
        if broker.is_running and broker.is_hung:
            yield EndHungBroker(broker_id)


def wants_roll(spec: ClusterSpec, seen: ClusterSeen) -> bool:
    """Whether the next restart may only be made while the partitions are in sync."""
    changed = _changed(spec, seen)
    if spec.desired == "absent" or not changed:
        return False
    if spec.peers == "tls":
        return _has_turn(spec, seen, changed)
    is_serving = all(broker.is_ready for _, broker in _listed(spec, seen))
    return is_serving and len(spec.brokers) > 1


def is_turn_over(spec: ClusterSpec, seen: ClusterSeen) -> bool:
    """Whether the turn that a broker here has is used, or not needed: others may have theirs."""
    if spec.turn is None or spec.turn.number <= seen.turn_done:
        return False
    broker = dict(_listed(spec, seen)).get(spec.turn.broker_id)
    if broker is None or not broker.is_ready or broker.wanted != broker.has_read:
        return False
    return not broker.is_outdated


def wanting(spec: ClusterSpec, seen: ClusterSeen) -> frozenset[int]:
    """Brokers here that wait for a turn that somebody else gives."""
    if spec.peers != "tls" or spec.desired == "absent":
        return frozenset()
    changed = _changed(spec, seen)
    return frozenset(broker_id for broker_id in changed if _has_served(seen.brokers[broker_id]))


def _has_turn(spec: ClusterSpec, seen: ClusterSeen, changed: Sequence[int]) -> bool:
    turn = spec.turn
    return turn is not None and turn.number > seen.turn_done and turn.broker_id in changed


def _changed_brokers(spec: ClusterSpec, seen: ClusterSeen) -> Iterator[Step]:
    """Those that never served at once: they may be waiting for just that change."""
    for broker_id in _to_restart(spec, seen, _changed(spec, seen)):
        is_outdated = seen.brokers[broker_id].is_outdated
        yield StopBroker(broker_id, "other software" if is_outdated else "its files changed")
        yield from _start(broker_id)


def _to_restart(spec: ClusterSpec, seen: ClusterSeen, changed: Sequence[int]) -> Sequence[int]:
    new = [broker_id for broker_id in changed if not _has_served(seen.brokers[broker_id])]
    if wants_roll(spec, seen):
        # Over several nodes the control plane has chosen; where the controller is, it has seen.
        turn = [spec.turn.broker_id] if spec.peers == "tls" and spec.turn else changed
        found = next_to_restart(turn, seen.roll)
        return [] if found is None else [found]
    if spec.peers == "tls":
        return new
    if len(spec.brokers) == 1 or _is_first(spec, seen, changed):
        return changed
    return new


def _is_first(spec: ClusterSpec, seen: ClusterSeen, changed: Sequence[int]) -> bool:
    """Whether the broker was alone until now: the others cannot serve before it knows of them."""
    return len(changed) == 1 and not any(
        broker.has_ever_served or _has_served(broker)
        for key, broker in _listed(spec, seen)
        if key not in changed
    )


def _has_served(broker: BrokerSeen) -> bool:
    return broker.is_ready or broker.has_served


def _changed(spec: ClusterSpec, seen: ClusterSeen) -> Sequence[int]:
    return [
        broker_id
        for broker_id, broker in _listed(spec, seen)
        if broker.is_running
        and not broker.is_hung  # it is started anew in any case
        and broker.wanted.at_start
        and (broker.is_outdated or broker.wanted.at_start != broker.has_read.at_start)
    ]


def _missing_ports(spec: ClusterSpec, seen: ClusterSeen) -> Iterator[Step]:
    """Reserved ahead of a start: the other nodes must know them first."""
    for broker in spec.brokers:
        found = seen.brokers.get(broker.broker_id, BrokerSeen())
        if found.has_ports or not found.may_start:
            continue
        if found.is_running:
            yield ReservePeerPorts(broker.broker_id)
        elif broker.is_candidate:
            yield PreparePorts(broker.broker_id)


def _missing_brokers(spec: ClusterSpec, seen: ClusterSeen) -> Iterator[Step]:
    is_alone = _is_first_on_its_way(spec, seen)
    for broker_id, broker in _listed(spec, seen):
        is_new = not broker.has_ever_served and not broker.is_formatted
        if not broker.is_running and broker.may_start and not (is_alone and is_new):
            yield from _start(broker_id)


def _is_first_on_its_way(spec: ClusterSpec, seen: ClusterSeen) -> bool:
    """Whether the broker that was alone is restarted to know its new peers, on this machine.

    Until it serves again nothing is written, and their starts would only take CPU from its own;
    they cannot serve before it does.
    """
    served = [key for key, broker in _listed(spec, seen) if broker.has_ever_served]
    if spec.peers == "tls" or len(spec.brokers) == 1 or len(served) != 1:
        return False
    return not seen.brokers[served[0]].is_ready or served[0] in _changed(spec, seen)


def _start(broker_id: int) -> Iterator[Step]:
    yield PreparePorts(broker_id)
    yield WriteFiles(broker_id)
    yield StartBroker(broker_id)


def _changed_certificates(spec: ClusterSpec, seen: ClusterSeen) -> Iterator[Step]:
    """Once it serves: a process that is starting may not heed the signal yet."""
    for broker_id, broker in _listed(spec, seen):
        wanted, has_read = broker.wanted, broker.has_read
        is_same_process = broker.is_ready and wanted.at_start == has_read.at_start
        if is_same_process and wanted.reloaded != has_read.reloaded:
            yield WriteFiles(broker_id)
            yield ReloadBroker(broker_id)


def _drifted_files(spec: ClusterSpec, seen: ClusterSeen) -> Iterator[Step]:
    for broker_id, broker in _listed(spec, seen):
        is_current = broker.is_running and broker.wanted == broker.has_read
        if is_current and broker.on_disk != broker.wanted:
            yield WriteFiles(broker_id)


def _admin_state(spec: ClusterSpec, seen: ClusterSeen) -> Iterator[Step]:
    brokers = [broker for _, broker in _listed(spec, seen)]
    is_serving = all(b.is_ready and b.wanted == b.has_read for b in brokers)
    if brokers and is_serving and seen.is_admin_due:
        yield ApplyAdminState(spec.generation)


def _listed(spec: ClusterSpec, seen: ClusterSeen) -> Iterator[tuple[int, BrokerSeen]]:
    """Those that should run now: a candidate only holds its ports."""
    for broker in spec.brokers:
        if broker.is_candidate:
            continue
        yield broker.broker_id, seen.brokers.get(broker.broker_id, BrokerSeen())
