"""One run: warm up, do faults under load, heal, read everything, compare the disks, judge."""

import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.clients import LIBRARIES, Consumer
from tests.chaos.clients.base import NEXT, REQUEST_MS, TRANSACTION_MS, ClientError, Place
from tests.chaos.crew import Crew, CrewFailed
from tests.chaos.disks import DiskDamaged, note_replica, replicas_that_differ
from tests.chaos.nemesis import Nemesis
from tests.chaos.recorder import Recorder
from tests.chaos.rig import Rig
from tests.chaos.tally import Tally
from tests.chaos.workloads.task import Order
from tests.checker.history import History
from tests.checker.lines import read_lines
from tests.checker.report import write_report
from tests.checker.verdict import Demands, Verdict, judge
from tests.progress import Progress
from tests.stopping import NEVER, Stopping

STABLE_SECONDS_MAX = 90.0
LOAD_SECONDS_MAX = 120.0
GROUP, MEMBERS = "readers", ("member-a", "member-b")  # one of each library
NEXT_GROUP, NEXT_MEMBERS = "readers-next", ("next-a", "next-b", "next-c")
TRANSACTIONAL = ("transact", "copier")
COMPACTED = "keyed"
CLEANING = {  # Small, so that it is cleaned all the time.
    "cleanup.policy": "compact",
    "segment.bytes": "40000",
    "min.cleanable.dirty.ratio": "0.1",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does."""

    faults: Sequence[str]
    count: int
    seed: int
    apart_seconds: tuple[float, float] = (1.0, 10.0)
    fault_seconds_max: float = 5.0
    warm_up_seconds: float = 5.0
    partitions: int = 6
    rate: float = 400.0  # records per second of each plain producer
    killed_clients: Sequence[str] = ()  # posts of which one is killed beside faults
    client_kill_every: int = 2  # faults
    has_next_group: bool = False  # a group of the consumer protocol (KIP-848), too
    transaction_max: int = 8  # records of a transaction
    compacted: int = 0  # partitions of a compacted topic
    request_ms: int = REQUEST_MS  # how long a plain producer waits for an answer
    out: Path | None = None  # where history and report are kept
    ok_sends_min: int = 1_000
    command: str = ""
    label: str = ""  # of the line that says how far the run is
    stopping: Stopping = NEVER

    @property
    def topics(self) -> dict[str, int]:
        compacted = {COMPACTED: self.compacted} if self.compacted else {}
        return {"plain": self.partitions, "in": 2, "out": 2, **compacted}


class Account:
    """What a run says of itself beside its faults: what it is at, and how much was acknowledged."""

    def __init__(self, rig: Rig) -> None:
        self.phase = "topics"
        self._tally = Tally(rig.history)

    def __call__(self) -> str:
        return f"{self.phase}, {self._tally.count():,} acknowledged"


def run(rig: Rig, plan: Plan) -> Verdict:
    """Carry a plan out on a started rig. Raises what run_part tells of.

    Asked to stop it begins no fault any more; what was done is read back and judged, as UNKNOWN.
    """
    account = Account(rig)
    with Progress(plan.count, what="faults", label=plan.label, look=account) as progress:
        return carried_out(rig, plan, account, progress)


def carried_out(rig: Rig, plan: Plan, account: Account, progress: Progress) -> Verdict:
    record = Recorder(rig.history / "nemesis.jsonl", "nemesis")
    record.note("run", "info", meta=meta_of(plan))
    crew = Crew(rig.history, record)
    nemesis = Nemesis(rig, crew, record, random.Random(plan.seed), progress, plan.stopping)

    def enter(phase: str) -> None:
        account.phase = phase
        record.note("phase", "info", name=phase)

    try:
        rig.create_topics(plan.topics, {COMPACTED: CLEANING})
        enter("warm-up")
        start_clients(crew, rig, plan)
        nemesis.rest(plan.warm_up_seconds)
        await_load(rig, nemesis, plan.partitions, plan.stopping)
        enter("faults")
        nemesis.run(
            plan.faults,
            plan.count,
            apart_seconds=plan.apart_seconds,
            seconds_max=plan.fault_seconds_max,
            killed_clients=plan.killed_clients,
            client_kill_every=plan.client_kill_every,
        )
        progress.is_estimated = False
        account.phase = "heal"
        rig.heal()
        rig.await_in_sync()
        enter("heal")
        nemesis.rest(plan.warm_up_seconds)
        await_load(rig, nemesis, plan.ok_sends_min, plan.stopping)
        account.phase = "reading back"
        finish(rig, crew, record, plan)
    except (AssertionError, ClientError, CrewFailed, DiskDamaged):
        keep_all(rig, plan)
        raise
    finally:
        crew.close()
        keep_logs(rig, plan)
    account.phase = "judging"
    verdict = judged(rig, plan)
    if verdict.valid is False:
        keep_all(rig, plan)
    return verdict


def await_load(rig: Rig, nemesis: Nemesis, acknowledged: int, stopping: Stopping) -> None:
    """Wait until the plain producers were told of so many records: clients begin in their time."""
    deadline = time.monotonic() + LOAD_SECONDS_MAX
    tally = Tally(rig.history, "producer-*.jsonl")
    while tally.count() < acknowledged and not stopping.is_asked:
        assert time.monotonic() < deadline, f"{acknowledged} records are not taken"
        nemesis.rest(0.5)


def keep_all(rig: Rig, plan: Plan) -> None:
    """Disks and histories of a run that found something: what a cause is looked for in."""
    if plan.out is not None:
        for broker in rig.brokers:
            broker.kill()  # Else files go while they are copied.
        plan.out.mkdir(parents=True, exist_ok=True)
        shutil.copytree(rig.folder, plan.out / "rig", ignore=sockets_of, dirs_exist_ok=True)


def sockets_of(folder: str, names: list[str]) -> set[str]:
    """What cannot be copied."""
    return {name for name in names if (Path(folder) / name).is_socket()}


def keep_logs(rig: Rig, plan: Plan) -> None:
    """What the brokers said, beside the report; also of a run that ended early."""
    if plan.out is None:
        return
    plan.out.mkdir(parents=True, exist_ok=True)
    for broker in rig.brokers:
        told = broker.folder / "stderr.log"
        (plan.out / f"broker-{broker.index}.log").write_bytes(told.read_bytes())


def meta_of(plan: Plan) -> dict[str, Any]:
    return {
        "seed": plan.seed,
        "faults_planned": plan.count,
        "schedule": list(plan.faults),
        "copies": [{"input": "in", "output": "out", "group": "copier"}],
        "topics": {COMPACTED: {"cleanup": "compact"}} if plan.compacted else {},
        "groups": {NEXT_GROUP: {"protocol": NEXT}},
        "versions": {name: library.version() for name, library in LIBRARIES.items()},
        "command": plan.command,
    }


def start_clients(crew: Crew, rig: Rig, plan: Plan) -> None:
    """Two producers, a transactional one, a copier, a group of both libraries, a tail."""
    plain = {"plain": plan.partitions}
    inputs = {"in": plan.topics["in"]}

    def order(workload: str, library: str, topics: dict[str, int], **more: Any) -> Order:
        return Order(
            process="",
            number=0,
            workload=workload,
            library=library,
            bootstrap=rig.bootstrap,
            folder="",
            topics=topics,
            seed=plan.seed,
            rate=plan.rate,
            transaction_max=plan.transaction_max,
            request_ms=plan.request_ms,
            **more,
        )

    first, second = LIBRARIES
    crew.start("producer-a", order("produce", first, plain))
    crew.start("producer-b", order("produce", second, plain))
    crew.start("transact", order("transact", first, inputs, transactional_id="transact"))
    crew.start(
        "copier",
        order(
            "copy",
            first,
            inputs,
            group="copier",
            transactional_id="copier",
            output="out",
            isolation="read_committed",
        ),
    )
    for post, library in zip(MEMBERS, LIBRARIES, strict=True):
        crew.start(post, order("group", library, plain, group=GROUP))
    crew.start("tail", order("tail", first, plain))
    if plan.compacted:
        crew.start("keyed", order("produce", first, {COMPACTED: plan.compacted}))
    for post in NEXT_MEMBERS if plan.has_next_group else ():
        crew.start(post, order("group", first, plain, group=NEXT_GROUP, protocol=NEXT))


def finish(rig: Rig, crew: Crew, record: Recorder, plan: Plan) -> None:
    """Producers end first, the copier catches up; then the final readers, then the disks."""
    crew.finish()
    await_stable(rig, plan)
    copy_the_rest(rig, crew, plan)
    await_stable(rig, plan)
    record.note("phase", "info", name="final")
    note_committed(rig, record, plan)
    for library in LIBRARIES:
        for isolation in ("read_uncommitted", "read_committed"):
            crew.start(
                f"final-{library}-{isolation}",
                Order(
                    process="",
                    number=0,
                    workload="final",
                    library=library,
                    bootstrap=rig.bootstrap,
                    folder="",
                    topics=plan.topics,
                    seed=plan.seed,
                    isolation=isolation,
                ),
            )
    crew.wait()
    record.note("run", "info", meta={"ended_ms": int(time.time() * 1000)})
    for broker in rig.brokers:
        assert broker.stop() == 0, "a broker that is whole stops cleanly"
        note_replica(record, broker.index, broker.data_dir, set(plan.topics))
    compared = set(plan.topics) - {COMPACTED}  # Every replica is cleaned in its own time.
    count, different = replicas_that_differ([one.data_dir for one in rig.brokers], compared)
    record.note("admin", "info", name="replicas", compared=count, different=different)
    if different:
        raise DiskDamaged(f"replicas differ: {', '.join(different)}")


def places_of(topics: dict[str, int]) -> list[Place]:
    return [Place(topic, index) for topic, count in topics.items() for index in range(count)]


def await_stable(rig: Rig, plan: Plan) -> None:
    """Wait until no transaction is open: those of killed clients end by their timeout."""
    library = LIBRARIES["kafka-python"]
    places = places_of(plan.topics)
    deadline = time.monotonic() + STABLE_SECONDS_MAX + TRANSACTION_MS / 1000
    readers = [
        library.consumer(rig.bootstrap, "unused-stable", isolation)
        for isolation in ("read_committed", "read_uncommitted")
    ]
    try:
        while readers[0].ends(places) != readers[1].ends(places):
            assert time.monotonic() < deadline, "a transaction stays open"
            time.sleep(0.2)
    finally:
        for reader in readers:
            reader.close()


def copy_the_rest(rig: Rig, crew: Crew, plan: Plan) -> None:
    """Let a last copier run until it has committed everything there is."""
    library = LIBRARIES["kafka-python"]
    inputs = places_of({"in": plan.topics["in"]})
    order = Order(
        process="",
        number=0,
        workload="copy",
        library="confluent-kafka",
        bootstrap=rig.bootstrap,
        folder="",
        topics={"in": plan.topics["in"]},
        group="copier",
        transactional_id="copier",
        output="out",
        isolation="read_committed",
    )
    reader = library.consumer(rig.bootstrap, "copier", "read_committed")
    ends = {place: end for place, (_, end) in reader.ends(inputs).items()}
    crew.start("copier", order)
    deadline = time.monotonic() + STABLE_SECONDS_MAX
    try:
        while is_something_left(reader, reader.committed(inputs), ends):
            crew.tend()
            assert time.monotonic() < deadline, "the copier does not catch up"
            time.sleep(0.2)
    finally:
        reader.close()
    crew.finish()


def is_something_left(
    reader: Consumer, committed: dict[Place, int | None], ends: dict[Place, int]
) -> bool:
    """Look from the committed offsets on: markers and aborted records may stand before the end."""
    reader.assign({place: offset or 0 for place, offset in committed.items()})
    deadline = time.monotonic() + STABLE_SECONDS_MAX
    while not all(reader.is_at(place, end) for place, end in ends.items()):
        if reader.poll(0.2, 1):
            return True
        assert time.monotonic() < deadline, "the end of the input cannot be read"
    return False


def note_committed(rig: Rig, record: Recorder, plan: Plan) -> None:
    """What the coordinator says of both groups, for 14 and 15."""
    library = LIBRARIES["kafka-python"]
    groups = [(GROUP, "plain"), ("copier", "in")]
    for group, topic in [*groups, *([(NEXT_GROUP, "plain")] if plan.has_next_group else [])]:
        reader = library.consumer(rig.bootstrap, group, "read_committed")
        t0 = time.monotonic_ns()
        told = reader.committed(places_of({topic: plan.topics[topic]}))
        offsets = {place.name: offset for place, offset in told.items()}
        record.note("committed", "ok", t0=t0, group=group, offsets=offsets)
        reader.close()


def judged(rig: Rig, plan: Plan) -> Verdict:
    """Run the checker; keep history and report where the plan says."""
    verdict = judge(History.of(read_lines(rig.history)), Demands(ok_sends_min=plan.ok_sends_min))
    if plan.out is not None:
        write_report(verdict, plan.out)
        for path in rig.history.glob("*.jsonl"):
            (plan.out / path.name).write_bytes(path.read_bytes())
    return verdict
