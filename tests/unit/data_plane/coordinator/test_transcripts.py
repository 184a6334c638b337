"""Conversations with a group, as files: a command, a line of dashes, the trace it must give.

Each file in tests/transcripts/groups is one conversation with one group. `pytest --rewrite` records
the traces anew, to be read in review as the description of what the coordinator does. In a trace
`a <- ...` is the answer to the request named a, `record ...` what was journaled, and the last line
the group's state with the time at which it wants to be woken. Member ids are shown as c-#1, c-#2.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data_plane.coordinator.classic_sync import Leaving
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.group_records import (
    GroupChanged,
    GroupRemoved,
    OffsetCommitted,
    OffsetRemoved,
)
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.join_group import JoinGroupResponse
from data_plane.protocol.messages.sync_group import SyncGroupResponse
from tests.unit.data_plane.coordinator.driving import GROUP, Driver

FOLDER = Path(__file__).parents[3] / "transcripts" / "groups"
FILES = sorted(FOLDER.glob("*.txt"))
Options = dict[str, str]


def test_there_are_transcripts() -> None:
    assert FILES, f"no transcripts in {FOLDER}"


@pytest.mark.semantics(
    "50a",
    "50b",
    "50c",
    "51a",
    "52a",
    "52b",
    "52c",
    "52d",
    "53a",
    "53b",
    "53c",
    "54a",
    "54b",
    "54c",
    "55a",
    "55b",
    "56a",
    "56b",
    "57a",
    "57b",
    "57c",
    "57d",
    "57e",
    "58a",
    "58b",
    "58c",
    "58e",
    "60a",
)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_transcript(path: Path, request: pytest.FixtureRequest) -> None:
    written = path.read_text()
    played = play(written)
    if request.config.getoption("--rewrite"):
        path.write_text(played)
    else:
        assert played == written


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
    numbers = {name: int(value) for name, value in options.items()}
    driver.__init__(config=GroupConfig(**numbers))  # type: ignore[misc]  # a fresh one


def join(driver: Driver, names: list[str], options: Options) -> None:
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
        {long(member): data.encode() for member, _, data in entries},
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
        {("t", 0): int(options["t-0"])},
        long(options.get("member", "")),
        int(options.get("gen", "-1")),
        instance=options.get("instance"),
    )
    return f"answer {codes[0].name}"


def fetch(driver: Driver, names: list[str], options: Options) -> str:
    held = driver.committed()
    return " ".join(f"{topic}-{at}={offset}" for (topic, at), offset in held.items()) or "nothing"


def time(driver: Driver, names: list[str], options: Options) -> None:
    driver.advance(int(names.pop(0)))


def restart(driver: Driver, names: list[str], options: Options) -> None:
    driver.restart()


VERBS: dict[str, Callable[[Driver, list[str], Options], str | None]] = {
    "config": configure,
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
            members = ",".join(f"{m.member_id}:{m.metadata.decode()}" for m in response.members)
            skip = " skip-assignment" if response.skip_assignment else ""
            return (
                f"joined gen={response.generation_id} protocol={response.protocol_name}"
                f" me={response.member_id} leader={response.leader}{skip}"
                + (f" members={members}" if members else "")
            )
        case JoinGroupResponse():
            return f"{ErrorCode(response.error_code).name} me={response.member_id}"
        case SyncGroupResponse(error_code=0):
            return f"assigned {response.assignment.decode() or 'nothing'}"
        case SyncGroupResponse():
            return ErrorCode(response.error_code).name
        case _:
            raise TypeError(response)


def record_of(driver: Driver, at: int) -> str:
    record = driver.records[at]
    match record:
        case OffsetCommitted():
            text = f"{record.topic}-{record.partition}={record.offset}"
        case OffsetRemoved():
            text = f"{record.topic}-{record.partition} removed"
        case GroupRemoved():
            text = "group removed"
        case GroupChanged():
            members = ",".join(f"{m.member_id}:{m.assignment.decode()}" for m in record.members)
            text = f"group gen={record.generation} leader={record.leader_id} {members or 'empty'}"
    return "record " + short(text)


def state_of(driver: Driver) -> str:
    group = driver.shard.groups.get(GROUP)
    if group is None:
        return "  = no group"
    due_ms = group.next_due_ms
    wakes = "" if due_ms is None else f", wakes at {due_ms}"
    return f"  = {group.state} gen={group.generation}{wakes}"
