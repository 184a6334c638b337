"""What becomes of a partition when its brokers come and go, as files that can be read.

Each file in tests/transcripts/partitions is one story of partition 0 of topic `t`, with a replica
on each of the brokers 1, 2 and 3, machine i under broker i. A trace shows the partition after each
command that changed it. Recorded anew by `pytest --rewrite`; read the difference.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from data_plane.metadata.broker_sessions import BrokerSessions
from data_plane.metadata.brokers import (
    decide_begin_shutdown,
    decide_fence,
    decide_register_broker,
    decide_unfence,
)
from data_plane.metadata.decision import Decision
from data_plane.metadata.elections import decide_balance, decide_elect_leaders
from data_plane.metadata.features import supported_ranges
from data_plane.metadata.heartbeats import Hearing, decide_heartbeat
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.isr_changes import decide_alter_partition
from data_plane.metadata.reassignments import decide_alter_reassignments
from data_plane.metadata.records import CommitMode, PartitionRecord, RestartKind
from data_plane.metadata.replica_ends import ReplicaEnds
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionRequestBrokerState,
    AlterPartitionRequestPartition,
    AlterPartitionRequestTopic,
)
from data_plane.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequestPartition,
    AlterPartitionReassignmentsRequestTopic,
)
from data_plane.protocol.messages.broker_heartbeat import (
    BrokerHeartbeatRequest,
    BrokerHeartbeatRequestPartition,
    BrokerHeartbeatRequestTopic,
)
from data_plane.protocol.messages.elect_leaders import UNCLEAN
from tests.unit.data_plane.metadata.worlds import (
    after,
    broker,
    cluster,
    scope_of,
    topic,
    with_topics,
)

FOLDER = Path(__file__).parents[3] / "transcripts" / "partitions"
FILES = sorted(FOLDER.glob("*.txt"))
Options = dict[str, str]


class Story:
    """One image, changed by the real decisions."""

    def __init__(self) -> None:
        self.image = MetadataImage()
        self.ends = ReplicaEnds()
        self.incarnation = 100

    @property
    def row(self) -> PartitionRecord:
        return self.image.topics["t"].partitions[0]

    def apply(self, decision: Decision[object]) -> None:
        self.image = after(self.image, decision)

    def partition(self, options: Options) -> str:
        """mode=spread|synced brokers=1..n"""
        brokers = cluster(*(broker(each) for each in range(1, int(options["brokers"]) + 1)))
        min_insync = "2" if options["mode"] == "spread" else "1"
        self.image = with_topics(brokers, topic("t", 1, 3, min_insync_replicas=min_insync))
        row = dataclasses.replace(self.row, replicas=(1, 2, 3), isr=(1, 2, 3), leader=1)
        self.apply(Decision(None, [row]))
        return ""

    def fence(self, options: Options) -> str:
        self.apply(decide_fence(scope_of(self.image), numbers(options["broker"])))
        return ""

    def let_in(self, options: Options) -> str:
        known = self.image.brokers[int(options["broker"])]
        self.apply(decide_unfence(scope_of(self.image), known))
        return ""

    def stop(self, options: Options) -> str:
        known = self.image.brokers[int(options["broker"])]
        self.apply(decide_begin_shutdown(scope_of(self.image), known))
        return ""

    def register(self, options: Options) -> str:
        """broker=1 after=clean|process_crash|power_loss|new_directory"""
        self.incarnation += 1
        record = dataclasses.replace(
            broker(int(options["broker"])),
            incarnation_id=UUID(int=self.incarnation),
            restart_kind=RestartKind[options["after"].upper()],
            features=supported_ranges(),
            is_fenced=True,
        )
        offset = self.image.offset + 1
        self.apply(decide_register_broker(scope_of(self.image), record, next_offset=offset))
        return ""

    def isr(self, options: Options) -> str:
        """members=1,2 [mode=synced]: what the leader asks for."""
        states = [
            AlterPartitionRequestBrokerState(each, self.image.brokers[each].broker_epoch)
            for each in numbers(options["members"])
        ]
        mode = CommitMode[options["mode"].upper()] if "mode" in options else -1
        row = self.row
        asked = AlterPartitionRequestPartition(
            0,
            row.leader_epoch,
            new_isr_with_epochs=states,
            partition_epoch=row.partition_epoch,
            commit_mode=mode,
        )
        epoch = self.image.brokers[row.leader].broker_epoch
        topics = [AlterPartitionRequestTopic(row.topic_id, [asked])]
        request = AlterPartitionRequest(row.leader, epoch, topics)
        decision = decide_alter_partition(scope_of(self.image), request)
        self.apply(decision)
        return code_name(decision.response.topics[0].partitions[0].error_code)

    def end(self, options: Options) -> str:
        """broker=1 epoch=3 offset=7, or lost=yes: how far its log reaches, by its heartbeat."""
        known = self.image.brokers[int(options["broker"])]
        told = BrokerHeartbeatRequestPartition(
            0, int(options.get("epoch", -1)), int(options.get("offset", 0)), "lost" in options
        )
        request = BrokerHeartbeatRequest(
            known.broker_id,
            known.broker_epoch,
            self.image.offset,
            replica_ends=[BrokerHeartbeatRequestTopic(self.row.topic_id, [told])],
        )
        hearing = Hearing(scope_of(self.image), BrokerSessions(), self.ends, 0)
        self.apply(decide_heartbeat(hearing, request))
        return ""

    def balance(self, _options: Options) -> str:
        self.apply(decide_balance(scope_of(self.image)))
        return ""

    def elect_uncleanly(self, _options: Options) -> str:
        decision = decide_elect_leaders(scope_of(self.image), None, UNCLEAN)
        self.apply(decision)
        return ""

    def move(self, options: Options) -> str:
        """to=4,5,6; without it the move is cancelled."""
        target = list(numbers(options["to"])) if "to" in options else None
        asked = AlterPartitionReassignmentsRequestPartition(0, target)
        topics = [AlterPartitionReassignmentsRequestTopic("t", [asked])]
        decision = decide_alter_reassignments(scope_of(self.image), topics)
        self.apply(decision)
        return code_name(decision.response[0].partitions[0].error_code)

    def shown(self) -> str:
        row = self.row
        parts = [
            f"leader {row.leader}" if row.leader >= 0 else "no leader",
            f"epoch {row.leader_epoch}",
            f"isr {listed(row.isr)}",
            CommitMode(row.commit_mode).name.lower(),
        ]
        if row.elr:
            parts.append(f"elr {listed(row.elr)}")
        if row.last_eligible:
            parts.append(f"last eligible {listed(row.last_eligible)}")
        if row.is_moving:
            parts.append(
                f"replicas {listed(row.replicas)}, coming {listed(row.adding_replicas)}, "
                f"going {listed(row.removing_replicas)}"
            )
        elif tuple(row.replicas) != (1, 2, 3):
            parts.append(f"replicas {listed(row.replicas)}")
        if row.is_recovering:
            parts.append("RECOVERING")
        return ", ".join(parts)


def numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def listed(brokers: Sequence[int]) -> str:
    return " ".join(map(str, brokers)) or "-"


def code_name(code: int) -> str:
    return ErrorCode(code).name if code else ""


def play(text: str) -> str:
    """The transcript with the traces that its commands give now."""
    story = Story()
    blocks = []
    for block in text.strip().split("\n\n"):
        commands = block.partition("\n----")[0]
        trace: list[str] = []
        for line in commands.splitlines():
            if line.startswith("#"):
                continue
            name, *rest = line.split()
            act: Callable[[Options], str] = getattr(story, name)
            before = story.row if story.image.topics else None
            said = act(dict(each.split("=") for each in rest))
            if said:
                trace.append(f"  {said}")
            if story.row != before:
                trace.append(f"  {story.shown()}")
        blocks.append("\n".join([commands, "----", *trace]))
    return "\n\n".join(blocks) + "\n"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_transcript(file: Path, request: pytest.FixtureRequest) -> None:
    text = file.read_text()
    played = play(text)
    if request.config.getoption("--rewrite"):
        file.write_text(played)
    else:
        assert played == text


def test_there_are_transcripts() -> None:
    assert len(FILES) >= 4
