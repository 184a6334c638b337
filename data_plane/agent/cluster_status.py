"""What a cluster's worker knows, put into the words of the contract."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from data_plane.agent import conditions
from data_plane.agent.admin_state import AdminFailed, AdminOutcome
from data_plane.agent.conditions import ConditionBook, Truth
from data_plane.agent.managed_broker import ManagedBroker, candidates_of
from data_plane.agent.ports import PortTaken
from data_plane.agent.replica_moves import PartitionId
from data_plane.agent.secrets import SecretUnopened
from data_plane.contract.report import BrokerStatus, ClusterStatus, Phase, TopicStatus
from data_plane.contract.spec import ClusterSpec

ERRORS_SHOWN_MAX = 5
NOT_AGAIN = (
    "It ended too often and is not started again until the cluster's settings change or the agent "
    "is restarted"
)
# Conditions that are there only while they are true.
PROBLEMS = (
    conditions.PORT_TAKEN,
    conditions.CRASH_LOOP,
    conditions.SECRET_UNOPENED,
    conditions.RECORDS_LOST,
)


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    spec: ClusterSpec
    brokers: Sequence[ManagedBroker]
    has_directory: bool
    applied_generation: int
    outcome: AdminOutcome | None
    problem: Exception | None
    sizes: Mapping[str, int]
    software_version: str = ""  # of what is started here
    turn_done: int = 0
    wanting: frozenset[int] = frozenset()  # brokers that wait for their turn


def status_from_facts(facts: ClusterFacts, book: ConditionBook, now_ms: int) -> ClusterStatus:
    _note_conditions(facts, book, now_ms)
    is_absent = phase_of(facts) == "absent"
    return ClusterStatus(
        cluster_id=facts.spec.cluster_id,
        observed_generation=facts.spec.generation if is_absent else facts.applied_generation,
        phase=phase_of(facts),
        conditions=book.list(),
        brokers=[_broker(broker, facts) for broker in facts.brokers],
        turn_done=facts.turn_done,
        topics=[_sized(topic, facts.sizes) for topic in facts.outcome.topics]
        if facts.outcome
        else [],
        voters=_listed(facts.outcome.voters) if facts.outcome else None,
        live_brokers=_listed(facts.outcome.live_brokers) if facts.outcome else None,
        out_of_sync_count=facts.outcome.out_of_sync_count if facts.outcome else None,
        voters_behind_count=facts.outcome.voters_behind_count if facts.outcome else None,
        controller_id=facts.outcome.controller_id if facts.outcome else None,
        feature_level=facts.outcome.feature_level if facts.outcome else None,
    )


def _listed(ids: Sequence[int] | None) -> list[int] | None:
    return None if ids is None else list(ids)


def _broker(broker: ManagedBroker, facts: ClusterFacts) -> BrokerStatus:
    wants_restart = broker.broker_id in facts.wanting
    return broker.status().model_copy(update={"wants_restart": wants_restart})


def phase_of(facts: ClusterFacts) -> Phase:
    """absent once nothing is left; failed where only a change of something outside can help."""
    if facts.spec.desired == "absent":
        return "draining" if facts.brokers or facts.has_directory else "absent"
    candidates = candidates_of(facts.spec)
    phases = {broker.phase for broker in facts.brokers if broker.broker_id not in candidates}
    if "failed" in phases or isinstance(facts.problem, SecretUnopened):
        return "failed"
    if phases == {"ready"}:
        return "ready"
    return "starting" if phases & {"starting", "ready", "draining"} else "pending"


def _note_conditions(facts: ClusterFacts, book: ConditionBook, now_ms: int) -> None:
    if facts.spec.desired == "absent":
        book.clear_all()
        return
    problems = list(_problems(facts))
    there = [*problems, *_losses(facts)]
    for name in PROBLEMS:
        if all(truth.name != name for truth in there):
            book.clear(name)
    for truth in there:
        book.note(truth, now_ms)
    book.note(_ready(facts, problems), now_ms)
    for truth in _admin_truths(facts):
        book.note(truth, now_ms)
    if any(broker.version for broker in facts.brokers):
        book.note(_upgraded(facts), now_ms)


def _problems(facts: ClusterFacts) -> Iterator[Truth]:
    taken = [b.port_problem or b.port_note for b in facts.brokers if b.port_problem or b.port_note]
    if taken:
        yield Truth(conditions.PORT_TAKEN, True, "PortTaken", "; ".join(taken))
    for broker in facts.brokers:
        if broker.policy.is_crash_loop:
            message = f"{broker.death}. {NOT_AGAIN}"
            yield Truth(conditions.CRASH_LOOP, True, "CrashLoop", message)
    if isinstance(facts.problem, SecretUnopened):
        yield Truth(conditions.SECRET_UNOPENED, True, "SecretUnopened", str(facts.problem))


def _losses(facts: ClusterFacts) -> Iterator[Truth]:
    if facts.outcome is not None and facts.outcome.lost:
        yield Truth(
            conditions.RECORDS_LOST, True, "OnlyReplicaLost", records_lost(facts.outcome.lost)
        )


def records_lost(lost: Sequence[PartitionId]) -> str:
    """Which topics have lost the records of which partitions, and the way out, in words."""
    partitions: dict[str, list[int]] = {}
    for topic, partition in lost:
        partitions.setdefault(topic, []).append(partition)
    topics = [f"{topic} (partition {_few(found)})" for topic, found in sorted(partitions.items())]
    return (
        f"records are gone with the disk of their only replica, those of topic {_few(topics)}: "
        "there nothing is written or read until the topic is destroyed and created anew, empty"
    )


def _few(things: Sequence[object]) -> str:
    shown = ", ".join(map(str, things[:ERRORS_SHOWN_MAX]))
    more = len(things) - ERRORS_SHOWN_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _ready(facts: ClusterFacts, problems: Sequence[Truth]) -> Truth:
    if phase_of(facts) == "ready":
        return Truth(conditions.READY, True)
    blocking = [problem for problem in problems if not _is_stepped_aside(problem, facts)]
    if blocking:
        return Truth(conditions.READY, False, blocking[0].reason, blocking[0].message)
    if facts.problem is not None and not isinstance(facts.problem, AdminFailed | PortTaken):
        return Truth(conditions.READY, False, "NodeProblem", _words(facts.problem))
    hanging = [b.broker_id for b in facts.brokers if b.has_served and not b.is_ready]
    if hanging:
        message = f"broker {', '.join(map(str, hanging))} does not answer"
        return Truth(conditions.READY, False, "NotAnswering", message)
    deaths = [broker.death for broker in facts.brokers if broker.death]
    if deaths:
        return Truth(conditions.READY, False, "Restarting", "; ".join(deaths))
    return Truth(conditions.READY, False, "Starting", "brokers are being started")


def _upgraded(facts: ClusterFacts) -> Truth:
    """Whether every broker here runs what it shall; else how far the roll is, or what stops it."""
    own = facts.software_version
    wanted = facts.spec.software_version or own
    others = sorted({broker.version for broker in facts.brokers} - {wanted, ""})
    running = sum(broker.is_ready and broker.version == wanted for broker in facts.brokers)
    if running == len(facts.brokers):
        return Truth(conditions.UPGRADED, True)
    if wanted != own and others:
        message = f"brokers run {', '.join(others)}; this node has {own} and not {wanted}"
        return Truth(conditions.UPGRADED, False, "NotHere", message)
    message = f"{running} of {len(facts.brokers)} brokers run {wanted}"
    down = [broker for broker in facts.brokers if not broker.is_ready and broker.death]
    if down:
        message += f"; nothing more is restarted before broker {down[0].broker_id} serves. "
        message += down[0].death
        return Truth(conditions.UPGRADED, False, "Stopped", message)
    return Truth(conditions.UPGRADED, False, "Rolling", message)


def _is_stepped_aside(problem: Truth, facts: ClusterFacts) -> bool:
    """A taken port that another one replaced keeps nothing from starting."""
    is_port = problem.name == conditions.PORT_TAKEN
    return is_port and not any(broker.port_problem for broker in facts.brokers)


def _admin_truths(facts: ClusterFacts) -> Iterator[Truth]:
    if isinstance(facts.problem, AdminFailed):
        for name in (conditions.TOPICS_APPLIED, conditions.ACLS_APPLIED):
            yield Truth(name, False, "AdminUnreachable", str(facts.problem))
        return
    if facts.outcome is None:
        return
    yield _applied(conditions.TOPICS_APPLIED, facts.outcome.topic_errors)
    yield _applied(conditions.ACLS_APPLIED, facts.outcome.acl_errors)


def _applied(name: str, errors: Sequence[str]) -> Truth:
    if not errors:
        return Truth(name, True)
    more = len(errors) - ERRORS_SHOWN_MAX
    shown = "; ".join(errors[:ERRORS_SHOWN_MAX]) + (f"; and {more} more" if more > 0 else "")
    return Truth(name, False, "Refused", shown)


def _sized(topic: TopicStatus, sizes: Mapping[str, int]) -> TopicStatus:
    return topic.model_copy(update={"size_bytes": sizes.get(topic.name, 0)})


def _words(problem: Exception) -> str:
    """What the operator can act on: an OSError names its file, other surprises only their kind."""
    return str(problem) if isinstance(problem, OSError) else type(problem).__name__
