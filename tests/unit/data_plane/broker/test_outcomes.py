"""What a decision's answer is when leaders change under it: kept, lost, or not known."""

from data_plane.broker.outcomes import OUTCOME_MS_MAX, Outcomes
from data_plane.protocol.errors import ErrorCode, KafkaError, NotController
from data_plane.raft.entries import EntryBatch


def batch(base: int, term: int, count: int = 1) -> EntryBatch:
    return EntryBatch(base, term, (b"e",) * count)


def test_an_answer_is_given_for_its_own_term_only() -> None:
    outcomes = Outcomes()
    kept = outcomes.add(5, 2, "kept", now_ms=0)
    lost = outcomes.add(6, 2, "lost", now_ms=0)
    later = outcomes.add(9, 3, "later", now_ms=0)
    outcomes.committed([batch(4, 2, 2), batch(6, 3)])
    assert kept.response == "kept"
    assert isinstance(lost.response, NotController)
    assert not later.is_done


def test_behind_a_snapshot_and_after_too_long_nobody_can_tell() -> None:
    outcomes = Outcomes()
    replaced = outcomes.add(5, 2, "?", now_ms=0)
    forgotten = outcomes.add(50, 2, "?", now_ms=0)
    waiting = outcomes.add(51, 2, "?", now_ms=1)
    outcomes.replaced(10)
    outcomes.expire(OUTCOME_MS_MAX)
    for parked in (replaced, forgotten):
        assert isinstance(parked.response, KafkaError)
        assert parked.response.code == ErrorCode.REQUEST_TIMED_OUT
    assert not waiting.is_done
    assert len(outcomes) == 1


def test_what_was_never_sent_is_lost_for_certain() -> None:
    outcomes = Outcomes()
    parked = outcomes.add(5, 2, "?", now_ms=0)
    outcomes.lost()
    assert isinstance(parked.response, NotController)
