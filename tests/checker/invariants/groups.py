"""14: consumer groups: one owner per generation, no commit of the past, resume at the commit."""

from collections.abc import Iterator

from tests.checker.anomalies import Anomaly
from tests.checker.history import NEVER, Commit, Fetched, Ownership
from tests.checker.views import Views


def check(views: Views) -> Iterator[Anomaly]:
    yield from two_owners(views)
    yield from stale_commits(views)
    for (group, partition), fetches in views.history.fetched.items():
        commits = effective(views, views.history.commits.get((group, partition), []))
        for fetched in fetches:
            yield from judge(group, partition, commits, fetched)


def two_owners(views: Views) -> Iterator[Anomaly]:
    """Yield partitions that two members were given in one generation.

    Under the consumer protocol a member's generation is what its library knows by now, maybe more
    than the assignment it is just told of (KIP-848): who gave the partition up before the other
    had it does not count there.
    """
    for group, ownerships in views.history.ownerships.items():
        is_told_apart = views.history.group(group).get("protocol") != "consumer"
        owners: dict[tuple[int, str], list[Ownership]] = {}
        for one in ownerships:
            if one.generation < 0:
                continue  # The library does not tell.
            for partition in one.partitions:
                before = owners.setdefault((one.generation, partition), [])
                for other in before:
                    if other.member != one.member and (
                        is_told_apart or not in_turn(views, group, partition, other, one)
                    ):
                        witness = {
                            "group": group,
                            "generation": one.generation,
                            "members": sorted((other.member, one.member)),
                        }
                        yield Anomaly("group-two-owners", one.t0, partition, witness)
                before.append(one)


def in_turn(
    views: Views, group: str, partition: str, *owners: *tuple[Ownership, Ownership]
) -> bool:
    """Whether the one of them that had it first gave it up before the other had it."""
    first, second = sorted(owners, key=lambda one: one.t0)
    given_up = views.history.given_up.get((group, first.process, partition), ())
    return any(first.t0 <= t <= second.t0 for t in given_up)


def stale_commits(views: Views) -> Iterator[Anomaly]:
    """Yield commits of an old generation, accepted although a later one had already begun."""
    for (group, partition), commits in views.history.commits.items():
        began = begun_generations(views, group, partition)
        for commit in commits:
            if commit.outcome != "ok" or commit.generation < 0:
                continue
            newer = [
                generation
                for generation, t0, owner in began
                if generation > commit.generation and t0 < commit.t0 and owner != commit.process
            ]
            if newer:
                witness = {
                    "group": group,
                    "process": commit.process,
                    "generation": commit.generation,
                    "newer_generation": min(newer),
                    "offset": commit.offset,
                }
                yield Anomaly("group-stale-commit", commit.t0, partition, witness)


def begun_generations(views: Views, group: str, partition: str) -> list[tuple[int, int, str]]:
    """(generation, when it was known to have begun, whose commits it does not outdate).

    Under the consumer protocol every member has an epoch of its own, and only another owner of the
    partition outdates one (KIP-848); a classic generation outdates everybody's.
    """
    ownerships = views.history.ownerships.get(group, ())
    if views.history.group(group).get("protocol") != "consumer":
        return [(one.generation, one.t0, "") for one in ownerships]
    return [(o.generation, o.t0, o.process) for o in ownerships if partition in o.partitions]


def effective(views: Views, commits: list[Commit]) -> list[Commit]:
    """Leave out what did not happen; a commit in a transaction is as certain as that is."""
    kept = []
    for commit in commits:
        one = commit
        if commit.outcome == "fail":
            continue
        if commit.transaction is not None:
            transaction = views.history.transactions[commit.transaction]
            if transaction.outcome == "aborted":
                continue
            is_sure = transaction.outcome == "committed"
            one = commit._replace(
                t0=transaction.commit_at,
                t1=transaction.commit_done if is_sure else NEVER,
                outcome="ok" if is_sure else "info",
            )
        kept.append(one)
    return sorted(kept, key=lambda each: each.t0)


def judge(group: str, partition: str, commits: list[Commit], fetched: Fetched) -> Iterator[Anomaly]:
    """Compare a told offset with those that may have been the last commit at that time."""
    done = [one for one in commits if one.outcome == "ok" and one.t1 <= fetched.t0]
    last = max(done, key=lambda one: one.t1, default=None)
    # Begun before the answer came, and not over before the last sure one began.
    possible = {
        one.offset
        for one in commits
        if one.t0 <= fetched.t1 and (last is None or one.t1 >= last.t0)
    }
    if last is None:
        possible.add(0)  # Nothing is sure: from the beginning, as the workloads ask.
    told = fetched.offset if fetched.offset is not None else 0
    if told in possible:
        return
    if fetched.offset is None:
        kind = "group-commit-lost"
    else:
        kind = "group-resume-below" if told < min(possible) else "group-resume-above"
    witness = {
        "group": group,
        "process": fetched.process,
        "told": fetched.offset,
        "possible": sorted(possible)[:8],
        "at": fetched.t1,
    }
    yield Anomaly(kind, fetched.t1, partition, witness)
