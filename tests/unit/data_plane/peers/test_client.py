"""A connection to another broker that breaks at the worst moments."""

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from data_plane.peers.client import PeerClient, PeerLink
from data_plane.peers.connection import PeerConnection
from data_plane.protocol.messages.api_versions import ApiVersionsRequest
from data_plane.replication.peers import PeerLost

WAIT_S = 60.0
LEVEL = 2  # of `ottla.version`
ASKED_TIMES = 3
ASKED = ApiVersionsRequest("test", "1")


class Broken(PeerLink):
    """Its connections are made over a socket pair whose other end is closed by `breaks`."""

    def __init__(self, breaks: Callable[[PeerConnection], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        super().__init__("unix:/nowhere", loop, None, lambda: None, level=lambda: LEVEL)
        self._breaks = breaks
        self.tries = 0

    async def _open(self, made: PeerConnection) -> None:
        self.tries += 1
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: made, sock=ours)
        theirs.close()
        await self._breaks(made)


async def turns_until(condition: Callable[[], bool]) -> None:
    """Let the loop turn; what is waited for are its own callbacks, which set no event."""
    deadline = asyncio.get_running_loop().time() + WAIT_S
    for _ in itertools.takewhile(lambda _: not condition(), itertools.count()):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0)


async def until_lost(made: PeerConnection) -> None:
    await turns_until(lambda: made.is_lost)


async def until_closing(made: PeerConnection) -> None:
    """As the loop's own callbacks leave it: closing, and nobody told yet."""
    transport = made._transport
    assert transport is not None
    transport.abort()
    assert not made.is_lost


@pytest.mark.parametrize("breaks", [until_lost, until_closing])
def test_a_connection_that_breaks_while_it_is_made_answers_everybody(
    breaks: Callable[[PeerConnection], Awaitable[None]],
) -> None:
    async def whole() -> None:
        link = Broken(breaks)
        await all_lost(link)
        await all_lost(link)  # The first loss must not keep it from trying anew.
        assert link.tries == 2
        link.close("the test ends")

    asyncio.run(whole())


def test_what_is_under_way_to_a_broker_that_has_begun_anew_is_lost_at_once(tmp_path: Path) -> None:
    """Its machine lost power: the connection stands, and nobody is there who would answer."""

    async def whole() -> None:
        accepted: list[asyncio.StreamWriter] = []
        path = str(tmp_path / "broker")
        server = await asyncio.start_unix_server(lambda _, writer: accepted.append(writer), path)
        turns: list[None] = []
        client = PeerClient(
            0,
            loop=asyncio.get_running_loop(),
            address_of=lambda _: f"unix:{path}",
            level_of=lambda _: LEVEL,
            ask_self=lambda _request, _on_reply: None,
            on_turn=lambda: turns.append(None),
        )
        before: list[object] = []
        other: list[object] = []
        client.request(1, ASKED, before.append, timeout_ms=60_000)
        client.request(2, ASKED, other.append, timeout_ms=60_000)
        await turns_until(lambda: len(accepted) == 2)
        client.forget(1)
        assert not before, "not inside the call"
        await turns_until(lambda: bool(before) and bool(turns))
        after: list[object] = []
        client.request(1, ASKED, after.append, timeout_ms=60_000)
        await turns_until(lambda: len(accepted) == 3)
        assert [type(one) for one in before] == [PeerLost]
        assert (other, after) == ([], [])
        client.close()
        server.close()
        for writer in accepted:
            writer.close()

    asyncio.run(whole())


async def all_lost(link: PeerLink) -> None:
    """Ask several times at once; each gets its answer."""
    answers: list[object] = []
    for _ in range(ASKED_TIMES):
        link.ask(ASKED, answers.append, asyncio.get_running_loop().time() + WAIT_S)
    await turns_until(lambda: len(answers) == ASKED_TIMES)
    assert all(isinstance(answer, PeerLost) for answer in answers)
