"""DescribeTopicPartitions: pages, cursors, and what is hidden from whom."""

import pytest

from data_plane.protocol.errors import ErrorCode, InvalidRequest
from data_plane.protocol.messages.describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsRequestCursor,
    DescribeTopicPartitionsRequestTopic,
    DescribeTopicPartitionsResponse,
)
from data_plane.security.acls import AclOperation
from tests.unit.data_plane.broker.handlers.admin_broker import ADMIN, ALICE, StandIn


def stand_in() -> StandIn:
    made = StandIn()
    made.create("b", partition_count=3)
    made.create("a", "c", partition_count=2)
    return made


def ask(
    broker: StandIn,
    *names: str,
    limit: int = 2_000,
    cursor: tuple[str, int] | None = None,
    principal: str = ADMIN,
) -> DescribeTopicPartitionsResponse:
    request = DescribeTopicPartitionsRequest(
        [DescribeTopicPartitionsRequestTopic(name) for name in names],
        limit,
        None if cursor is None else DescribeTopicPartitionsRequestCursor(*cursor),
    )
    answer: DescribeTopicPartitionsResponse = broker.ask(request, 0, principal=principal)
    return answer


def shown(response: DescribeTopicPartitionsResponse) -> list[tuple[str | None, list[int]]]:
    return [
        (topic.name, [partition.partition_index for partition in topic.partitions])
        for topic in response.topics
    ]


def test_all_topics_in_order_of_name() -> None:
    response = ask(stand_in())
    assert shown(response) == [("a", [0, 1]), ("b", [0, 1, 2]), ("c", [0, 1])]
    assert response.next_cursor is None
    partition = response.topics[0].partitions[0]
    assert (partition.leader_id, partition.error_code) == (1, 0)
    assert (partition.replica_nodes, partition.isr_nodes) == ((1,), (1,))
    assert response.topics[0].topic_authorized_operations > 0


@pytest.mark.parametrize("limit", range(1, 9))
def test_pages_join_to_the_whole(limit: int) -> None:
    broker = stand_in()
    seen: list[tuple[str | None, int]] = []
    cursor: tuple[str, int] | None = None
    for _ in range(20):
        response = ask(broker, limit=limit, cursor=cursor)
        page = [(name, index) for name, indexes in shown(response) for index in indexes]
        assert len(page) <= limit
        seen += page
        if response.next_cursor is None:
            break
        cursor = (response.next_cursor.topic_name, response.next_cursor.partition_index)
    assert seen == [
        (name, index) for name, count in (("a", 2), ("b", 3), ("c", 2)) for index in range(count)
    ]


def test_a_cursor_at_a_deleted_topic_goes_on_behind_it() -> None:
    assert shown(ask(stand_in(), cursor=("aa", 7))) == [("b", [0, 1, 2]), ("c", [0, 1])]


def test_a_limit_below_one_still_moves_on() -> None:
    response = ask(stand_in(), limit=0)
    assert shown(response) == [("a", [0])]


def test_a_negative_cursor_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        ask(stand_in(), cursor=("a", -1))


def test_unknown_topics_are_rows_once() -> None:
    response = ask(stand_in(), "zz", "a", "zz")
    assert [(topic.name, topic.error_code) for topic in response.topics] == [
        ("a", 0),
        ("zz", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]


def test_what_one_may_not_describe_is_hidden_and_no_cursor_names_it() -> None:
    broker = stand_in()
    broker.allow(AclOperation.READ, "b")
    assert shown(ask(broker, principal=ALICE)) == [("b", [0, 1, 2])]
    assert ask(broker, principal=ALICE, limit=3).next_cursor is None
    response = ask(broker, "a", "b", "zz", principal=ALICE)
    assert [(topic.name, topic.error_code) for topic in response.topics] == [
        ("a", ErrorCode.TOPIC_AUTHORIZATION_FAILED),
        ("b", 0),
        ("zz", ErrorCode.TOPIC_AUTHORIZATION_FAILED),
    ]
