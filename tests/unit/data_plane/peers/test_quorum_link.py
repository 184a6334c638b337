"""The quorum's messages over sockets: in order, lost with their connection, from brokers only."""

import asyncio
import itertools
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest

from data_plane.peers.addresses import AddressRefused, bound
from data_plane.peers.quorum_link import QuorumLinks
from data_plane.raft.codec import VERSIONS, encode_message
from data_plane.raft.messages import SEEDS, Announce, Ask, Message
from data_plane.raft.voters import VoterKey

SECONDS_MAX = 30.0


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A directory whose path is short, as socket names must be, wherever the tests run."""
    with TemporaryDirectory(prefix="ottla-", dir="/tmp") as directory:
        yield Path(directory)


def key(number: int) -> VoterKey:
    return VoterKey(number, UUID(int=number + 1))


def ask(source: int, target: int, number: int, cluster_id: str = "c") -> Ask:
    return Ask(
        cluster_id=cluster_id,
        source=key(source),
        target=key(target),
        term=1,
        request_id=number,
        body=b"x" * 1000,
    )


class End:
    """One broker's side; what arrives is collected."""

    def __init__(
        self,
        directory: Path,
        number: int,
        *,
        cluster_id: str = "c",
        seed: int = -1,
        versions: range = VERSIONS,
    ) -> None:
        self.received: list[Message] = []
        self.arrived = asyncio.Event()
        self.lost: list[int] = []
        self.address = f"unix:{directory}/{number}.sock"
        self.links = QuorumLinks(
            key(number),
            cluster_id,
            self.address,
            address_of=lambda other: f"unix:{directory}/{other}.sock",
            seeds=() if seed < 0 else (f"unix:{directory}/{seed}.sock",),
            on_message=self._take,
            on_lost=self._lose,
            versions=versions,
        )

    def _lose(self, broker_id: int) -> None:
        self.lost.append(broker_id)
        self.arrived.set()

    def _take(self, message: Message) -> None:
        self.received.append(message)
        self.arrived.set()

    async def open(self) -> "End":
        await self.links.open(bound(self.address))
        return self

    async def until(self, condition: Callable[[], bool]) -> None:
        async def wait() -> None:
            while not condition():
                self.arrived.clear()
                await self.arrived.wait()

        await asyncio.wait_for(wait(), SECONDS_MAX)


def test_messages_come_in_order(sockets: Path) -> None:
    async def scenario() -> None:
        one, two = End(sockets, 1), await End(sockets, 2).open()
        sent = [ask(1, 2, number) for number in range(500)]
        for message in sent:
            one.links.send(message)
        await two.until(lambda: len(two.received) == len(sent))
        assert two.received == sent
        one.links.close()
        two.links.close()

    asyncio.run(scenario())


def test_a_peer_that_comes_late_or_back_is_found(sockets: Path) -> None:
    """What was sent while nobody listened is lost; later messages arrive."""

    async def scenario() -> None:
        one = End(sockets, 1)
        for _ in range(2):
            two = End(sockets, 2)
            opened = False
            while not two.received:
                one.links.send(ask(1, 2, 7))
                await asyncio.sleep(0.01)
                if not opened:
                    opened = True
                    await two.open()
            two.links.close()
            await asyncio.sleep(0)
        one.links.close()

    asyncio.run(asyncio.wait_for(scenario(), SECONDS_MAX))


def test_who_announces_itself_is_answered_where_it_says_it_is(sockets: Path) -> None:
    async def scenario() -> None:
        seed = await End(sockets, 1).open()
        late = await End(sockets, 9, seed=1).open()
        late.links.send(
            Announce(cluster_id="c", source=key(9), target=SEEDS, term=0, end_offset=0, address="x")
        )
        await seed.until(lambda: bool(seed.received))
        seed.links.send(ask(1, 9, 1))
        await late.until(lambda: bool(late.received))
        seed.links.close()
        late.links.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("case", ["another cluster", "speaks for another", "no hello", "garbage"])
def test_who_is_not_of_the_cluster_is_hung_up_on(sockets: Path, case: str) -> None:
    hello = Announce(
        cluster_id="foreign" if case == "another cluster" else "c",
        source=key(3),
        target=SEEDS,
        term=0,
        end_offset=0,
        address="",
    )
    frames = {
        "another cluster": [encode_message(hello), encode_message(ask(3, 2, 1))],
        "speaks for another": [encode_message(hello), encode_message(ask(1, 2, 1))],
        "no hello": [encode_message(ask(3, 2, 1))],
        "garbage": [b"\xff" * 40],
    }[case]

    async def scenario() -> None:
        two = await End(sockets, 2).open()
        reader, writer = await asyncio.open_unix_connection(str(sockets / "2.sock"))
        for frame in frames:
            writer.write(struct.pack(">I", len(frame)) + frame)
        assert await asyncio.wait_for(reader.read(), SECONDS_MAX) == b""
        assert two.received == []
        writer.close()
        two.links.close()

    asyncio.run(scenario())


def has_more(received: list[Message], count: int) -> bool:
    return len(received) > count


def test_a_node_of_newer_software_writes_what_the_older_one_reads(sockets: Path) -> None:
    """Until it has heard of the other one, and from then on."""

    async def scenario() -> None:
        newer = await End(sockets, 1, versions=range(3)).open()
        older = await End(sockets, 2).open()
        for number in range(3):
            newer.links.send(ask(1, 2, number))
            older.links.send(ask(2, 1, number))
            await older.until(partial(has_more, older.received, number))
            await newer.until(partial(has_more, newer.received, number))
        newer.links.close()
        older.links.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("theirs", [range(1, 3), range(5, 9)])
def test_nodes_without_a_common_version_refuse_each_other_in_words(
    sockets: Path, theirs: range, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        other = await End(sockets, 1, versions=theirs).open()
        own = await End(sockets, 2).open()

        async def go_on_asking() -> None:
            while caplog.text.count("roll the older one first") < 2:
                own.links.send(ask(2, 1, 1))
                other.links.send(
                    Announce(
                        cluster_id="c",
                        source=key(1),
                        target=key(2),
                        term=0,
                        end_offset=0,
                        address="",
                    )
                )
                await asyncio.sleep(0.02)

        await asyncio.wait_for(go_on_asking(), SECONDS_MAX)
        for _ in range(10):  # And again; it is told once.
            own.links.send(ask(2, 1, 1))
            await asyncio.sleep(0.02)
        assert own.received == other.received == []
        own.links.close()
        other.links.close()

    asyncio.run(scenario())
    words = f"broker 1 knows versions {theirs.start} to {theirs[-1]} of the quorum's messages, and"
    assert f"{words} this software 0 to 0" in caplog.text
    assert caplog.text.count("roll the older one first") == 2, "each of the two tells it once"


def test_a_message_of_a_version_that_nobody_reads_is_named(
    sockets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hello = Announce(cluster_id="c", source=key(3), target=SEEDS, term=0, end_offset=9, address="")

    async def scenario() -> None:
        two = await End(sockets, 2).open()
        reader, writer = await asyncio.open_unix_connection(str(sockets / "2.sock"))
        for frame in (encode_message(hello), encode_message(ask(3, 2, 1), 9)):
            writer.write(struct.pack(">I", len(frame)) + frame)
        assert await asyncio.wait_for(reader.read(), SECONDS_MAX) == b""
        assert two.received == []
        writer.close()
        two.links.close()

    asyncio.run(scenario())
    assert "version 9 of the quorum's messages, and this software reads 0 to 0" in caplog.text


def test_a_socket_path_that_is_too_long_is_named(sockets: Path) -> None:
    with pytest.raises(AddressRefused, match="longer than"):
        bound(f"unix:{sockets}/{'x' * 120}.sock")


def test_a_socket_that_a_dead_process_left_is_replaced(sockets: Path) -> None:
    address = f"unix:{sockets}/q.sock"
    bound(address).close()
    bound(address).close()
    assert (sockets / "q.sock").stat().st_mode & 0o777 == 0o600


def test_who_is_gone_is_told_and_who_never_came_is_not(sockets: Path) -> None:
    """A connection that ends and is then refused twice is a dead process (durability.md 5).

    Method: broker 1 answers and goes; broker 2 was never there, and is asked as often.
    """

    async def scenario() -> None:
        first = await End(sockets, 0).open()
        second = await End(sockets, 1).open()
        first.links.send(ask(0, 1, 1))
        second.links.send(ask(1, 0, 1))
        await second.until(lambda: bool(second.received))
        await first.until(lambda: bool(first.received))
        assert not first.lost
        second.links.close()

        async def go_on_asking() -> None:
            for number in itertools.count(2):
                first.links.send(ask(0, 1, number))
                first.links.send(ask(0, 2, number))
                await asyncio.sleep(0.02)

        asking = asyncio.create_task(go_on_asking())
        await first.until(lambda: len(first.lost) >= 2)
        asking.cancel()
        assert set(first.lost) == {1}
        first.links.close()

    asyncio.run(scenario())
