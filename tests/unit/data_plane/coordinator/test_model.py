"""Random clients against one group, over seeds: joins, syncs, commits, deaths, lies and restarts.

Method: a handful of clients, dynamic and static, old and new versions, follow the protocol most of
the time and break it some of the time, while the clock jumps and the shard is reloaded from its log
at random points. After every step the invariants below are checked; at the end time runs on until
nobody may be left waiting. One case: -k "[<seed>]".
"""

import random
from dataclasses import dataclass, field

import pytest

from data_plane.coordinator.classic_member import GroupState
from data_plane.coordinator.classic_sync import Leaving
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.join_group import JoinGroupResponse
from data_plane.protocol.messages.sync_group import SyncGroupResponse
from tests.unit.data_plane.coordinator.driving import GROUP, Driver, load

STEPS = 250
START_OVER = {ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID}


@dataclass
class Client:
    """A consumer process: what it believes, and the request it waits for."""

    name: str
    instance: str | None
    version: int
    member_id: str = ""
    generation: int = -1
    is_stable: bool = False
    must_sync: bool = False
    roster: tuple[str, ...] = ()  # as leader: who is to be given something
    waits_for: str | None = None
    asked: int = 0

    def start_over(self) -> None:
        self.member_id, self.generation = "", -1
        self.is_stable = self.must_sync = False
        self.waits_for = None


@dataclass
class World:
    seed: int
    rng: random.Random = field(init=False)
    driver: Driver = field(init=False)
    clients: list[Client] = field(init=False)
    committed: dict[tuple[str, int], int] = field(default_factory=dict)
    views: dict[int, str] = field(default_factory=dict)  # generation -> assignment its leader made
    rosters: dict[int, str] = field(default_factory=dict)  # generation -> leader, until a restart
    syncs: int = 0
    answered: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        delay_ms = self.rng.choice([0, 3_000])
        self.driver = Driver(GroupConfig(initial_rebalance_delay_ms=delay_ms, group_size_max=5))
        self.clients = [
            Client(
                name=f"k{n}",
                instance=f"i{n}" if self.rng.random() < 0.4 else None,
                version=self.rng.choice([3, 5, 9]),
            )
            for n in range(self.rng.randint(1, 5))
        ]

    # --- steps -------------------------------------------------------------------------------

    def step(self) -> None:
        dice = self.rng.random()
        client = self.rng.choice(self.clients)
        if dice < 0.02:
            self.restart()
        elif dice < 0.20:
            self.driver.advance(self.driver.now_ms + self.rng.choice([1, 500, 2_000, 9_000]))
        elif dice < 0.24:
            client.start_over()  # kill -9 and a new process; nobody tells the coordinator
        elif dice < 0.28:
            self.leave(client)
        elif dice < 0.34:
            self.lie(client)
        elif client.waits_for is None:
            self.behave(client)
        self.read_answers()

    def behave(self, client: Client) -> None:
        if not client.member_id or client.generation < 0:
            self.join(client)
        elif client.must_sync:
            self.sync(client)
        elif self.rng.random() < 0.5:
            self.heartbeat(client)
        else:
            self.commit(client)

    def join(self, client: Client) -> None:
        client.asked += 1
        client.waits_for = f"{client.name}.{client.asked}"
        self.driver.join(
            client.waits_for,
            client.member_id,
            instance=client.instance if client.version >= 5 else None,
            version=client.version,
            protocols=self.rng.choice(
                [(("range", b"t"), ("sticky", b"t"))] * 8 + [(("sticky", b"u"), ("range", b"u"))]
            ),
            rebalance_ms=self.rng.choice([10_000, 30_000]),
            client=client.name,
        )

    def sync(self, client: Client) -> None:
        client.asked += 1
        client.waits_for = f"{client.name}.{client.asked}"
        self.syncs += 1
        self.driver.sync(
            client.waits_for,
            client.member_id,
            client.generation,
            {member: f"{self.syncs}|{place_of(member)}".encode() for member in client.roster},
            instance=client.instance if client.version >= 5 else None,
        )

    def heartbeat(self, client: Client) -> None:
        code = self.driver.heartbeat(client.member_id, client.generation)
        if code is ErrorCode.REBALANCE_IN_PROGRESS:
            self.join(client)
        elif code is not ErrorCode.NONE:
            client.start_over()

    def commit(self, client: Client) -> None:
        at = ("t", self.rng.randrange(4))
        offset = self.rng.randrange(1_000)
        code = self.driver.commit({at: offset}, client.member_id, client.generation)[0]
        if code is ErrorCode.NONE:
            self.committed[at] = offset
        elif code in START_OVER or code is ErrorCode.ILLEGAL_GENERATION:
            client.start_over()

    def leave(self, client: Client) -> None:
        who = Leaving("", client.instance) if client.instance else Leaving(client.member_id)
        self.driver.carry_out(
            self.driver.shard.decide_leave_group(GROUP, [who, who], now_ms=self.driver.now_ms)
        )
        client.start_over()

    def lie(self, client: Client) -> None:
        """Requests that make no sense now; none may move an offset or an assignment."""
        client.asked += 1
        token = f"{client.name}.lie{client.asked}"
        group = self.driver.shard.groups.get(GROUP)
        current = group.generation if group is not None else 0
        wrong = current + (1 if current == 0 else self.rng.choice([-1, 1, 7]))
        self.driver.sync(token, client.member_id or "nobody", wrong, {"x": b"stolen"})
        self.driver.heartbeat(client.member_id, wrong)
        codes = self.driver.commit({("t", 0): -7}, client.member_id or "nobody", wrong)
        assert ErrorCode.NONE not in codes, "a commit of a wrong generation was taken"

    def restart(self) -> None:
        self.driver.restart()
        self.rosters.clear()  # generations that were not synced are numbered again

    # --- answers -----------------------------------------------------------------------------

    def read_answers(self) -> None:
        for client in self.clients:
            answer = self.driver.answers.pop(client.waits_for, None) if client.waits_for else None
            if answer is not None:
                self.answered += 1
                client.waits_for = None
                self.read_answer(client, answer)
        for token in list(self.driver.answers):
            self.check_stray(self.driver.answers.pop(token))

    def read_answer(self, client: Client, answer: object) -> None:
        match answer:
            case JoinGroupResponse(error_code=ErrorCode.MEMBER_ID_REQUIRED):
                client.member_id = answer.member_id
            case JoinGroupResponse(error_code=ErrorCode.NONE):
                client.member_id, client.generation = answer.member_id, answer.generation_id
                client.is_stable, client.must_sync = False, True
                client.roster = tuple(member.member_id for member in answer.members)
                if client.roster and not answer.skip_assignment:
                    self.check_roster(answer)
            case SyncGroupResponse(error_code=ErrorCode.NONE):
                client.is_stable, client.must_sync = True, False
                self.check_view(client, answer.assignment)
            case JoinGroupResponse() | SyncGroupResponse() if answer.error_code in START_OVER:
                client.start_over()
            case _:
                client.generation, client.must_sync = -1, False

    # --- invariants --------------------------------------------------------------------------

    def check_stray(self, answer: object) -> None:
        """Answers to lies, and to processes that were killed meanwhile."""
        assert getattr(answer, "assignment", b"") != b"stolen"

    def check_roster(self, answer: JoinGroupResponse) -> None:
        """One leader in a generation, and it is among those it is told of."""
        leader = place_of(answer.member_id)
        assert self.rosters.setdefault(answer.generation_id, leader) == leader
        assert answer.member_id in {member.member_id for member in answer.members}
        assert answer.leader == answer.member_id

    def check_view(self, client: Client, assignment: bytes) -> None:
        """Within a generation all assignments come from one hand, and each is the member's own."""
        if not assignment:
            return
        view, _, place = assignment.decode().partition("|")
        assert self.views.setdefault(client.generation, view) == view
        assert place == place_of(client.member_id)

    def check(self) -> None:
        group = self.driver.shard.groups.get(GROUP)
        assert self.driver.committed() == self.committed
        if group is not None:
            statics = {m.instance_id: m.member_id for m in group.members.values() if m.is_static}
            assert group.static_ids == statics
            assert all(key == m.member_id for key, m in group.members.items())
            assert (group.leader_id in group.members) == bool(group.members)
            assert len(group.members) <= group.config.group_size_max
            has_joins = any(m.join_token for m in group.members.values())
            has_syncs = any(m.sync_token for m in group.members.values())
            assert not has_joins or group.state is GroupState.PREPARING_REBALANCE
            assert not has_syncs or group.state is GroupState.COMPLETING_REBALANCE
        self.check_reload()

    def check_reload(self) -> None:
        """A shard read from the log knows what was promised: offsets, and any synced generation."""
        driver = self.driver
        twin = load(driver.log, driver.config, random.Random(0), driver.now_ms)
        assert dict(twin.committed(GROUP)) == dict(driver.shard.committed(GROUP))
        live = driver.shard.groups.get(GROUP)
        if live is not None and live.state in {GroupState.STABLE, GroupState.EMPTY}:
            if live.generation > 0:
                assert journaled(twin) == journaled(driver.shard)
        elif live is not None and GROUP in twin.groups:
            assert twin.groups[GROUP].generation <= live.generation


def place_of(member_id: str) -> str:
    """The part of a member id before its UUID: the same for every life of a static member."""
    return member_id[: -len("-00000000-0000-4000-8000-000000000001")]


def journaled(shard: GroupsShard) -> tuple[object, ...]:
    group = shard.groups[GROUP]
    return (
        *(group.state, group.generation, group.protocol_type, group.protocol_name),
        *(group.leader_id, group.since_ms),
        [
            (m.member_id, m.instance_id, m.assignment, m.metadata_for(group.protocol_name))
            for m in group.members.values()
        ],
    )


@pytest.mark.semantics("52a", "55b", "57c")
@pytest.mark.parametrize("seed", range(150))
def test_random_members(seed: int) -> None:
    world = World(seed)
    for _ in range(STEPS):
        world.step()
        world.check()
    world.driver.advance(world.driver.now_ms + 3_600_000)
    world.check()
    assert not world.driver.parked, "somebody waits for ever"
    group = world.driver.shard.groups.get(GROUP)
    assert group is None or (group.state is GroupState.EMPTY and not group.members)
    assert world.answered > 10, "the run exercised nothing"
