"""Plays conversations with one group (test_transcripts.py).

In a trace `a <- ...` is the answer to the request named a, `record ...` what was journaled, and the
last line the group's state with the time at which it wants to be woken. Member ids that the
coordinator makes are shown as c-#1, c-#2. Where bytes are those of Kafka's own consumers they are
shown as what they say: `t-0` is partition 0 of topic t.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from data_plane.coordinator import consumer_group_records as consumer
from data_plane.coordinator.classic_sync import Leaving
from data_plane.coordinator.consumer_heartbeat import Heartbeat
from data_plane.coordinator.consumer_protocol import (
    INT16,
    Subscription,
    TopicPartitions,
    read_assignment,
    read_topics,
    write_assignment,
)
from data_plane.coordinator.group_config import GroupConfig, MigrationPolicy
from data_plane.coordinator.group_records import (
    GroupChanged,
    GroupRemoved,
    OffsetCommitted,
    OffsetRemoved,
    decode_record,
)
from data_plane.metadata.image import ImageDelta
from data_plane.metadata.records import PartitionRecord, TopicRecord
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopic,
    ConsumerGroupHeartbeatResponse,
)
from data_plane.protocol.messages.join_group import JoinGroupResponse
from data_plane.protocol.messages.sync_group import SyncGroupResponse
from data_plane.protocol.schema import DecodeError, encode
from tests.unit.data_plane.coordinator.driving import GROUP, Driver

Options = dict[str, str]
SUBSCRIPTION_VERSION = 1


def play(text: str) -> str:
    """The transcript with the traces that its commands give now."""
    driver = Driver()
    blocks = []
    for block in text.strip().split("\n\n"):
        commands = block.partition("\n----")[0]
        spoken = [line for line in commands.splitlines() if not line.startswith("#")]
        if not spoken:  # a paragraph of prose
            blocks.append(commands)
            continue
        trace = [line for command in spoken for line in step(driver, command)]
        blocks.append("\n".join([commands, "----", *trace, state_of(driver)]))
    return "\n\n".join(blocks) + "\n"


def step(driver: Driver, command: str) -> Iterator[str]:
    """Carry out one command and yield what could be seen of it."""
    verb, *words = command.split()
    options = dict(word.split("=", 1) for word in words if "=" in word)
    names = [word for word in words if "=" not in word]
    known, logged = set(driver.answers), len(driver.log)
    known.difference_update(names)
    answer = VERBS[verb](driver, names, options)
    if isinstance(answer, str):
        yield f"  {answer}"
    yield from (f"  {record_of(driver, at)}" for at in range(logged, len(driver.log)))
    for token, response in driver.answers.items():
        if token not in known:
            yield f"  {token} <- {short(response_of(response))}"
    yield from (f"  {token} is parked" for token in names if token in driver.parked)


# --- commands ------------------------------------------------------------------------------------


def configure(driver: Driver, names: list[str], options: Options) -> None:
    numbers: dict[str, Any] = {
        name: int(value) if value.isdigit() else MigrationPolicy(value)
        for name, value in options.items()
    }
    driver.__init__(config=replace(GroupConfig(), **numbers))  # type: ignore[misc]  # a fresh one


def topics(driver: Driver, names: list[str], options: Options) -> None:
    """`topics t=2 u=1`: there are these topics with so many partitions, each more than before."""
    delta = ImageDelta(driver.image)
    for name, count in options.items():
        known = driver.image.topic(name)
        topic_id = UUID(int=len(name) * 1000 + ord(name[0])) if known is None else known.topic_id
        if known is None:
            delta.replay(TopicRecord(name, topic_id))
        for index in range(0 if known is None else len(known.partitions), int(count)):
            delta.replay(PartitionRecord(topic_id, index, (0,), (0,), 0, 0, 0))
    driver.image = delta.publish(offset=driver.image.offset + 1, term=1)


def beat(driver: Driver, names: list[str], options: Options) -> str:
    """`beat m1 epoch=0 topics=t timeout=30000 owns=`: a ConsumerGroupHeartbeat of member m1."""
    member_id, epoch = long(names.pop(0)), int(options["epoch"])
    owned = [
        ConsumerGroupHeartbeatRequestTopic(id_of(driver, row.topic), row.partitions)
        for row in rows_of(options.get("owns", ""))
    ]
    request = ConsumerGroupHeartbeatRequest(
        GROUP,
        member_id,
        epoch,
        options.get("instance"),
        rebalance_timeout_ms=int(options.get("timeout", "20000" if epoch == 0 else "-1")),
        subscribed_topic_names=options["topics"].split(",") if "topics" in options else None,
        subscribed_topic_regex=options.get("regex"),
        server_assignor=options.get("assignor"),
        topic_partitions=owned if "owns" in options or epoch == 0 else None,
    )
    heartbeat = Heartbeat(request, member_id, "c", "h", driver.image, lambda _: True, driver.now_ms)
    response = driver.carry_out(driver.shard.decide_consumer_heartbeat(heartbeat))
    return f"answer {beaten(driver, response)}"


def beaten(driver: Driver, response: ConsumerGroupHeartbeatResponse) -> str:
    if response.error_code:
        return ErrorCode(response.error_code).name
    text = f"epoch={response.member_epoch}"
    if response.assignment is None:
        return text
    rows = response.assignment.topic_partitions
    found = {(row.topic_id, at) for row in rows for at in row.partitions}
    return f"{text} owns {partitions_of(driver, found)}"


def join(driver: Driver, names: list[str], options: Options) -> None:
    if "topics" in options:
        wants = Subscription(
            options["topics"].split(","), owned_partitions=rows_of(options.get("owns", ""))
        )
        data = INT16.pack(SUBSCRIPTION_VERSION) + encode(wants, SUBSCRIPTION_VERSION)
        named = [(name, data) for name in options.get("protocols", "range").split(",")]
        driver.join(
            names[0],
            long(options.get("member", "")),
            instance=options.get("instance"),
            protocols=named,
            version=int(options.get("v", "9")),
        )
        return
    protocols = [p for p in options.get("protocols", "range:topics").split(",") if p]
    driver.join(
        names[0],
        long(options.get("member", "")),
        instance=options.get("instance"),
        protocols=[
            (name, data.encode()) for name, _, data in (p.partition(":") for p in protocols)
        ],
        version=int(options.get("v", "9")),
        session_ms=int(options.get("session", "10000")),
        rebalance_ms=int(options.get("rebalance", "30000")),
        protocol_type=options.get("type", "consumer"),
    )


def sync(driver: Driver, names: list[str], options: Options) -> None:
    entries = [entry.partition(":") for entry in options.get("assign", "").split(",") if entry]
    driver.sync(
        names[0],
        long(options["member"]),
        int(options["gen"]),
        {long(member): assigned(data) for member, _, data in entries},
        instance=options.get("instance"),
        protocol_type=options.get("type"),
        protocol_name=options.get("protocol"),
    )


def heartbeat(driver: Driver, names: list[str], options: Options) -> str:
    code = driver.heartbeat(long(options["member"]), int(options["gen"]), options.get("instance"))
    return f"answer {code.name}"


def leave(driver: Driver, names: list[str], options: Options) -> str:
    leaving = [Leaving(long(member)) for member in options.get("member", "").split(",") if member]
    leaving += [Leaving("", name) for name in options.get("instance", "").split(",") if name]
    codes = driver.carry_out(driver.shard.decide_leave_group(GROUP, leaving, now_ms=driver.now_ms))
    return "answer " + " ".join(code.name for code in codes)


def commit(driver: Driver, names: list[str], options: Options) -> str:
    codes = driver.commit(
        {
            (row.topic, row.partitions[0]): int(offset)
            for name, offset in options.items()
            if re.fullmatch(r"\w+-\d+", name)
            for row in rows_of(name)
        },
        long(options.get("member", "")),
        int(options.get("gen", "-1")),
        instance=options.get("instance"),
        version=int(options.get("v", "8")),
    )
    return f"answer {codes[0].name}"


def fetch(driver: Driver, names: list[str], options: Options) -> str:
    held = driver.committed()
    return " ".join(f"{topic}-{at}={offset}" for (topic, at), offset in held.items()) or "nothing"


def time(driver: Driver, names: list[str], options: Options) -> None:
    driver.advance(int(names.pop(0)))


def restart(driver: Driver, names: list[str], options: Options) -> None:
    driver.restart()


def assigned(text: str) -> bytes:
    """Bytes of a leader: `+` joins partitions, as in t-0+t-1; anything else is taken as it is."""
    if not re.fullmatch(r"(\w+-\d+\+?)+", text) or not text[-1].isdigit():
        return text.encode()
    rows = rows_of(text.replace("+", ","))
    metadata = INT16.pack(SUBSCRIPTION_VERSION)
    return write_assignment({row.topic: row.partitions for row in rows}, metadata)


def rows_of(text: str) -> list[TopicPartitions]:
    by_topic: dict[str, list[int]] = {}
    for one in text.split(",") if text else ():
        topic, _, partition = one.rpartition("-")
        by_topic.setdefault(topic, []).append(int(partition))
    return [TopicPartitions(topic, found) for topic, found in by_topic.items()]


def id_of(driver: Driver, name: str) -> UUID:
    topic = driver.image.topic(name)
    assert topic is not None, f"the transcript made no topic {name}"
    return topic.topic_id


VERBS: dict[str, Callable[[Driver, list[str], Options], str | None]] = {
    "config": configure,
    "topics": topics,
    "beat": beat,
    "join": join,
    "sync": sync,
    "heartbeat": heartbeat,
    "leave": leave,
    "commit": commit,
    "fetch": fetch,
    "time": time,
    "restart": restart,
}

# --- traces --------------------------------------------------------------------------------------


def short(text: str) -> str:
    return re.sub(r"00000000-0000-4000-8000-0*([0-9a-f]+)", r"#\1", text)


def long(text: str) -> str:
    return re.sub(r"#([0-9a-f]+)", lambda found: f"00000000-0000-4000-8000-{found[1]:0>12}", text)


def response_of(response: object) -> str:
    match response:
        case JoinGroupResponse(error_code=0):
            members = ",".join(f"{m.member_id}:{shown(m.metadata)}" for m in response.members)
            skip = " skip-assignment" if response.skip_assignment else ""
            return (
                f"joined gen={response.generation_id} protocol={response.protocol_name}"
                f" me={response.member_id} leader={response.leader}{skip}"
                + (f" members={members}" if members else "")
            )
        case JoinGroupResponse():
            return f"{ErrorCode(response.error_code).name} me={response.member_id}"
        case SyncGroupResponse(error_code=0):
            return f"assigned {shown(response.assignment) or 'nothing'}"
        case SyncGroupResponse():
            return ErrorCode(response.error_code).name
        case _:
            raise TypeError(response)


def shown(data: bytes) -> str:
    """Bytes of a client, which here are text, a subscription or an assignment."""
    if not data or data[0]:
        return data.decode()
    try:
        rows = read_assignment(data).assigned_partitions
        return "+".join(f"{row.topic}-{at}" for row in rows for at in row.partitions)
    except (DecodeError, ValueError):
        return "+".join(read_topics(data))


def partitions_of(driver: Driver, partitions: Iterable[consumer.TopicIdPartition]) -> str:
    named = sorted((driver.image.topic_names[topic_id], at) for topic_id, at in partitions)
    return ",".join(f"{name}-{at}" for name, at in named) or "nothing"


def consumer_record_of(driver: Driver, record: consumer.ConsumerGroupRecord) -> str:
    match record:
        case consumer.GroupEpoch():
            return f"epoch {record.epoch}"
        case consumer.MemberSubscription():
            wants = record.topic_regex or ",".join(record.topic_names) or "nothing"
            kind = "classic member" if record.classic is not None else "member"
            return f"{kind} {record.member_id} wants {wants}"
        case consumer.TargetEpoch():
            return f"target epoch {record.epoch}"
        case consumer.Target():
            return f"target {record.member_id} {partitions_of(driver, record.partitions)}"
        case consumer.Current():
            text = f"current {record.member_id} {record.state.name} epoch={record.epoch}"
            text += f" owns {partitions_of(driver, record.assigned)}"
            if record.revoking:
                text += f" gives up {partitions_of(driver, record.revoking)}"
            return text
        case consumer.RegexTopics():
            return f"expression {record.regex} finds {','.join(record.topics) or 'nothing'}"
        case consumer.Removed():
            return f"{record.kind.name.lower()} {record.name} removed".replace("  ", " ")
        case _:
            raise TypeError(record)


def record_of(driver: Driver, at: int) -> str:
    found = consumer.decode_record(*driver.log[at])
    if found is not None:
        return "record " + short(consumer_record_of(driver, found))
    record = decode_record(*driver.log[at])
    match record:
        case OffsetCommitted():
            text = f"{record.topic}-{record.partition}={record.offset}"
        case OffsetRemoved():
            text = f"{record.topic}-{record.partition} removed"
        case GroupRemoved():
            text = "group removed"
        case GroupChanged():
            members = ",".join(f"{m.member_id}:{shown(m.assignment)}" for m in record.members)
            text = f"group gen={record.generation} leader={record.leader_id} {members or 'empty'}"
    return "record " + short(text)


def state_of(driver: Driver) -> str:
    group, consumers = driver.shard.groups.get(GROUP), driver.shard.consumer_groups.get(GROUP)
    assert group is None or consumers is None, "a group is of one kind"
    if consumers is not None:
        state = f"consumer group {consumers.state} epoch={consumers.epoch}"
        return f"  = {state}{wakes_at(consumers.next_due_ms)}"
    if group is None:
        return "  = no group"
    return f"  = {group.state} gen={group.generation}{wakes_at(group.next_due_ms)}"


def wakes_at(due_ms: int | None) -> str:
    return "" if due_ms is None else f", wakes at {due_ms}"
