"""What one world is like: drawn once from its seed, so that each has only some of everything."""

from dataclasses import dataclass, replace
from random import Random

from tests.simulation import aims, rare_paths

MAIN = "t"
COMPACTED = "c"
CHORES = ["move", "election", "deleted records", "topic made or deleted", "acl", "setting"]
NEVER = str((1 << 63) - 1)
SMALL_SEGMENTS = ["700", "3000", str(1 << 30), str(1 << 30)]
MIXED_SHARE = 0.5  # of the groups in worlds that are aimed at nothing
VOTERS = aims.VOTERS  # The other brokers observe the quorum.


@dataclass(frozen=True, slots=True)
class Plan:
    """is_synced: every topic commits by what is on disk, the coordinators' own too.

    sync_ms_means: how slow each machine's disk is as a rule. rare: the rare paths that are forced.
    """

    brokers: int
    is_synced: bool
    partitions: int
    replication_factor: int
    segment_bytes: str
    flush_ms: str
    sync_ms_means: tuple[float, ...]
    cleaning_ms_mean: float  # how long a compaction takes
    metadata_log_bytes_max: int
    transactional: int  # producers with a transactional id
    has_full_window: bool  # an idempotent producer with as much under way as may be
    careless: int  # producers that wait for the leader alone
    chores: tuple[str, ...]  # what operators do
    has_compacted: bool  # a compacted topic
    # Of one group: the protocol of each, "classic" or "consumer"; or who changes it
    # (mixed_groups.py): "restless" the member itself, "told" an aimed blow.
    members: tuple[str, ...]
    troubles: tuple[str, ...] = ()  # the only ones that come; none: any
    rare: tuple[str, ...] = ()
    aim: str = ""  # what they are aimed at (aims.py)
    has_impatient: bool = False  # an idempotent producer that gives up what has no answer

    @property
    def is_mixed(self) -> bool:
        """Its group has members of both protocols."""
        return bool({"told", "restless"}.intersection(self.members))

    @property
    def static_configs(self) -> dict[str, str]:
        """What the brokers are started with."""
        configs = {
            "replica.lag.time.max.ms": "3000",
            "log.cleaner.backoff.ms": "1500",
            "log.segment.bytes": self.segment_bytes,
            "log.flush.interval.ms": self.flush_ms,
            "group.initial.rebalance.delay.ms": "500",
        }
        if self.is_mixed:  # Who has gone without a word must not hold its part for 45 s.
            configs["group.consumer.session.timeout.ms"] = "6000"
        for name in self.rare:
            configs |= rare_paths.CONFIGS.get(name, {})
        if self.is_synced:
            configs["log.flush.interval.messages"] = "1"
        return configs


def drawn(seed: int) -> Plan:
    rng = Random(f"{seed} plan")
    slow = rng.choice([1.0, 1.0, 8.0, 40.0, 250.0])
    brokers = rng.choice([3] * 8 + [4, 5])
    plan = Plan(
        brokers=brokers,
        is_synced=rng.random() < 0.5,
        partitions=rng.choice([1, 1, 2, 4]),
        replication_factor=rng.choice([3, 3, 3, 2]),
        segment_bytes=rng.choice(SMALL_SEGMENTS),
        flush_ms=rng.choice(["1000", "1000", "100"]),
        sync_ms_means=tuple(rng.choice([1.0, slow]) for _ in range(brokers)),
        cleaning_ms_mean=rng.choice([20.0, 200.0, 1_500.0]),
        metadata_log_bytes_max=rng.choice([3_000, 1 << 20]),
        transactional=rng.choice([0, 0, 1, 1, 2]),
        has_full_window=rng.random() < 0.4,
        careless=rng.choice([0, 1]),
        chores=tuple(rng.sample(CHORES, rng.choice([0, 0, 1, 2, len(CHORES)]))),
        has_compacted=rng.random() < 0.25,
        members=(rng.choice(["classic", "consumer"]),) * rng.choice([0, 0, 2]),
    )
    aim = aims.drawn(seed)
    if aim:
        return replace(plan, **aims.changes_of(aim))
    if plan.members and Random(f"{seed} mixed").random() < MIXED_SHARE:
        plan = replace(plan, members=("restless",) * 3)
    return with_rare_paths(plan, rare_paths.drawn(seed))


def with_rare_paths(plan: Plan, rare: tuple[str, ...]) -> Plan:
    if rare_paths.SNAPSHOTS in rare:
        plan = replace(plan, metadata_log_bytes_max=rare_paths.SNAPSHOT_LOG_BYTES_MAX)
    return replace(plan, rare=rare)
