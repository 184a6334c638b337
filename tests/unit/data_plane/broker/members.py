"""Brokers' parts in the quorum and in the cluster, over in-memory disks and a perfect network."""

from pathlib import PurePath
from random import Random
from uuid import UUID

from data_plane.broker.membership import Membership
from data_plane.broker.metadata_host import MetadataHost
from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.features import supported_ranges
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import BrokerListener, RegisterBrokerRecord, RestartKind
from data_plane.raft.codec import decode_message, encode_message
from data_plane.raft.messages import Message
from data_plane.raft.voters import Voter, VoterKey, VoterSet
from tests.unit.data_plane.broker.world import HeldExecutor

DIRECTORY = PurePath("/data/metadata")
STEP_MS = 50


class Member:
    """One broker's quorum thread, without the thread."""

    def __init__(self, cluster: "Members", broker_id: int) -> None:
        self._cluster = cluster
        self.broker_id = broker_id
        self.files = MemoryFiles()
        self.incarnation = 0
        self.failures: list[BaseException] = []

    def start(self, kind: RestartKind = RestartKind.CLEAN) -> None:
        self.incarnation += 1
        self.executor = HeldExecutor()
        controller = Controller.open(
            self.files,
            DIRECTORY,
            voter_id=self.broker_id,
            rng=Random(self.broker_id * 100 + self.incarnation),
            directory_id=directory_id(self.broker_id),
            cluster_id="c1",
            address=f"host:{self.broker_id}",
            initial_voters=self._cluster.voters,
        )
        self.host = MetadataHost(
            controller,
            self.executor,
            on_failure=self.failures.append,
            log_bytes_max=1 << 20,
            send=lambda message: self._cluster.carry(self.broker_id, message),
            on_more=self._cluster.on_more,
        )
        self.membership = Membership(self.host, self.record(kind), cluster_id="c1")

    def record(self, kind: RestartKind) -> RegisterBrokerRecord:
        return RegisterBrokerRecord(
            broker_id=self.broker_id,
            incarnation_id=UUID(int=1_000 * self.incarnation + self.broker_id),
            broker_epoch=-1,
            directory_id=directory_id(self.broker_id),
            node_id=f"node-{self.broker_id}",
            rack=f"node-{self.broker_id}",
            listeners=(BrokerListener("TLS", f"broker-{self.broker_id}.test", 9092),),
            features=supported_ranges(),
            restart_kind=kind,
            spec_broker_count=len(self._cluster.members),
        )

    @property
    def image(self) -> MetadataImage:
        return self.host.image


class Members:
    """Brokers 0, 1, 2 as voters of one cluster; `down` ones neither hear nor speak,
    `mute` ones hear."""

    def __init__(self, count: int = 3, *, is_sliced: bool = False) -> None:
        """is_sliced: one slice of what is committed is applied with each pump."""
        self.slices_put_off = 0
        self.on_more = self._put_off if is_sliced else None
        self.now_ms = 1_000
        self.down: set[int] = set()
        self.mute: set[int] = set()
        self.sent: list[tuple[int, bytes]] = []
        self.voters = VoterSet(
            tuple(
                Voter(VoterKey(each, directory_id(each)), f"host:{each}") for each in range(count)
            )
        )
        self.members = {each: Member(self, each) for each in range(count)}
        for member in self.members.values():
            member.start()

    def _put_off(self) -> None:
        self.slices_put_off += 1

    def carry(self, source: int, message: Message) -> None:
        if source not in self.down | self.mute:
            targets = [message.target.id] if message.target.id >= 0 else list(self.members)
            self.sent += [(each, encode_message(message)) for each in targets if each != source]

    def run(self, ms: int) -> None:
        for _ in range(0, ms, STEP_MS):
            self.now_ms += STEP_MS
            for each in self.up():
                each.host.tick(self.now_ms)
                each.membership.tick(self.now_ms)
                each.host.pump()
            while self.sent:
                target, content = self.sent.pop(0)
                if target not in self.down:
                    self.members[target].host.step(decode_message(content), self.now_ms)
                    self.members[target].host.pump()

    def up(self) -> list[Member]:
        return [each for number, each in self.members.items() if number not in self.down]

    @property
    def active(self) -> Member:
        """Whose controller decides."""
        (found,) = [each for each in self.up() if each.host.controller.is_active]
        return found

    def write(self, *records: object) -> None:
        self.active.host.decide(lambda _: Decision(None, records))
        self.run(STEP_MS * 4)

    def stop(self, broker_id: int) -> None:
        self.down.add(broker_id)

    def restart(self, broker_id: int, kind: RestartKind) -> None:
        self.members[broker_id].start(kind)
        self.down.discard(broker_id)


def directory_id(broker_id: int) -> UUID:
    return UUID(int=100 + broker_id)
