"""Messages of the quorum over sockets: one connection per direction, lost at will.

A connection begins with a hello and carries frames one way only: uint32 size, then a message of
raft/codec.py. The hello is, in version 0 for ever, an Announce that names the cluster, the sender
with its directory, and where the sender's quorum listener is; its `term` and `end_offset` are the
first and the last version of messages that the sender knows. Each node writes to another in the
newest version that both know, and in its own first one until it has heard a hello of that node;
two that have none in common refuse each other in words.
Raft repeats what was lost, so a connection that fails drops what waited for it.
"""

import asyncio
import logging
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from data_plane.peers.addresses import (
    AddressRefused,
    ForeignPeer,
    check_same_user,
    connect,
)
from data_plane.peers.silence import CONNECT_S_MAX, notice_silence
from data_plane.raft.codec import VERSIONS, BadMessage, decode_message, encode_message
from data_plane.raft.messages import SEEDS, Announce, Message
from data_plane.raft.voters import VoterKey
from data_plane.security.certificates import ForeignCertificate

log = logging.getLogger(__name__)

FRAME_BYTES_MAX = 64 * 1024 * 1024  # a batch of records is one message, however long
WAITING_BYTES_MAX = 8 * 1024 * 1024  # for one peer; what comes beyond is lost
HELLO_S_MAX = 10.0
RETRY_S_MIN, RETRY_S_MAX = 0.05, 1.0
REFUSED_IS_LOST = 2  # in a row, after a connection that worked
REFUSALS_MAX = 100  # reasons remembered; what comes beyond is told each time
NEVER_CONNECTED = -1_000_000  # so that who has not begun to listen yet is not lost
_SIZE = struct.Struct(">I")


def nobody(_broker_id: int) -> None:
    """Nobody wants to know."""


class QuorumLinks:
    """The network of one quorum node, on the loop that it is opened on.

    address_of: where the node last heard that a broker's quorum listener is; "" for nobody.
    on_message: called for every message of a peer that proved to be of this cluster.
    on_lost: called with a broker id when its connection broke and nobody listens there any more:
    it was refused twice within 300 ms (durability.md 5).
    check_peer: raises ForeignCertificate unless a TLS peer's certificate is a broker's.
    versions: of messages that this node knows.
    """

    def __init__(
        self,
        me: VoterKey,
        cluster_id: str,
        address: str,
        *,
        address_of: Callable[[int], str],
        seeds: tuple[str, ...],
        on_message: Callable[[Message], None],
        on_lost: Callable[[int], None] = nobody,
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
        check_peer: Callable[[object], None] | None = None,
        versions: range = VERSIONS,
    ) -> None:
        self._me = me
        self._versions = versions
        self._common: dict[int, int] = {}  # by broker id: the newest version that both know
        self._refused: set[str] = set()  # why, told once each
        self._cluster_id = cluster_id
        self._address = address
        self._address_of = address_of
        self._seeds = [seed for seed in seeds if seed != address]
        self._on_message = on_message
        self._on_lost = on_lost
        self._server_tls = server_tls
        self._client_tls = client_tls
        self._check_peer = check_peer
        self._heard: dict[int, str] = {}  # by broker id: what its last hello said
        self._links: dict[str, Link] = {}
        self._server: asyncio.Server | None = None
        self._incoming: set[asyncio.StreamWriter] = set()

    async def open(self, listening: socket.socket) -> None:
        """Begin to accept on a bound socket."""
        tls = None if listening.family == socket.AF_UNIX else self._server_tls
        self._server = await asyncio.start_server(self._serve, sock=listening, ssl=tls)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for link in self._links.values():
            link.close()
        for writer in self._incoming:
            writer.close()

    def send(self, message: Message) -> None:
        """Send if the receiver can be reached; never waits."""
        if message.target == SEEDS:
            for address in {*self._seeds, *self._heard.values()}:
                self._link(address).send(message, self._versions.start)
            return
        found = self._heard.get(message.target.id) or self._address_of(message.target.id)
        if found:
            self._link(found).send(message, self._version_for(message.target.id))

    def _version_for(self, broker_id: int) -> int:
        return self._common.get(broker_id, self._versions.start)

    def _link(self, address: str) -> "Link":
        link = self._links.get(address)
        if link is None:
            hello = Announce(
                cluster_id=self._cluster_id,
                source=self._me,
                target=SEEDS,
                term=self._versions.start,
                end_offset=self._versions[-1],
                address=self._address,
            )
            link = self._links[address] = Link(
                address, hello, self._client_tls, lambda: self._lost(address)
            )
        return link

    def _lost(self, address: str) -> None:
        for broker_id, heard in self._heard.items():
            if heard == address:
                self._on_lost(broker_id)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one peer's messages until it hangs up or says what it must not."""
        self._incoming.add(writer)
        notice_silence(writer)
        try:
            self._check(writer)
            source = await asyncio.wait_for(self._greeted(reader), HELLO_S_MAX)
            while True:
                message = decode_message(await read_frame(reader))
                if message.source != source:
                    raise ForeignPeer(f"broker {source.id} speaks for {message.source.id}")
                self._on_message(message)
        except (ForeignPeer, ForeignCertificate, BadMessage) as error:
            self._tell(str(error))
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            pass  # It comes again; or the loop ends, and there is nothing to say about that.
        finally:
            self._incoming.discard(writer)
            writer.close()

    def _tell(self, why: str) -> None:
        """Who is refused comes again at once, and for the same reason."""
        level = logging.DEBUG if why in self._refused else logging.WARNING
        if len(self._refused) < REFUSALS_MAX:
            self._refused.add(why)
        log.log(level, "a quorum connection was refused: %s", why)

    def _check(self, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("socket")
        if peer is not None and peer.family == socket.AF_UNIX:
            check_same_user(peer)
        elif self._check_peer is None:
            raise ForeignPeer("there is no way to tell who it is")
        else:
            self._check_peer(writer.get_extra_info("peercert"))

    async def _greeted(self, reader: asyncio.StreamReader) -> VoterKey:
        hello = decode_message(await read_frame(reader))
        if not isinstance(hello, Announce) or hello.cluster_id != self._cluster_id:
            raise ForeignPeer(f"cluster {hello.cluster_id}, not {self._cluster_id}")
        self._common[hello.source.id] = self._common_version(hello)
        if hello.address:
            self._heard[hello.source.id] = hello.address
        return hello.source

    def _common_version(self, hello: Announce) -> int:
        """Raises ForeignPeer: there is none."""
        own, first, last = self._versions, hello.term, hello.end_offset
        newest = min(own[-1], last)
        if newest < max(own.start, first):
            raise ForeignPeer(
                f"broker {hello.source.id} knows versions {first} to {last} of the quorum's "
                f"messages, and this software {own.start} to {own[-1]}: roll the older one first"
            )
        return newest


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Raises IncompleteReadError (an EOFError) at the end, BadMessage for an impossible size."""
    (size_bytes,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
    if size_bytes > FRAME_BYTES_MAX:
        raise BadMessage(f"a frame of {size_bytes} bytes")
    return await reader.readexactly(size_bytes)


class Link:
    """One outgoing connection, made anew whenever it is lost and there is something to send."""

    def __init__(
        self,
        address: str,
        hello: Message,
        tls: ssl.SSLContext | None,
        on_lost: Callable[[], None],
    ) -> None:
        self._address = address
        self._hello = hello
        self._tls = tls
        self._on_lost = on_lost
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._wanted = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def send(self, message: Message, version: int) -> None:
        if self._waiting_bytes >= WAITING_BYTES_MAX:
            return
        content = encode_message(message, version)
        self._waiting.append(_SIZE.pack(len(content)) + content)
        self._waiting_bytes += len(content)
        self._wanted.set()

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        retry_s = RETRY_S_MIN
        refused = NEVER_CONNECTED
        while True:
            await self._wanted.wait()
            try:
                made = connect(self._address, self._tls)
                reader, writer = await asyncio.wait_for(made, CONNECT_S_MAX)
                notice_silence(writer)
            except (OSError, TimeoutError, AddressRefused) as error:
                log.debug("no connection to %s: %s", self._address, error)
                self._drop()
                if isinstance(error, (ConnectionRefusedError, FileNotFoundError)):
                    refused += 1
                    if refused >= REFUSED_IS_LOST:
                        self._on_lost()
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, RETRY_S_MAX)
                continue
            retry_s, refused = RETRY_S_MIN, 0
            gone = asyncio.create_task(reader.read(1))  # It never speaks: an end is all that comes.
            try:
                content = encode_message(self._hello)
                writer.write(_SIZE.pack(len(content)) + content)
                while not gone.done():
                    await self._write(writer, gone)
            except OSError:
                pass
            finally:
                gone.cancel()
                with suppress(OSError, asyncio.CancelledError):
                    await gone
                writer.close()
            self._drop()

    async def _write(self, writer: asyncio.StreamWriter, gone: "asyncio.Task[bytes]") -> None:
        """Write what waits, then wait for more or for the end."""
        self._wanted.clear()
        while self._waiting:
            content = self._waiting.popleft()
            self._waiting_bytes -= len(content) - _SIZE.size
            writer.write(content)
        await writer.drain()
        wanted = asyncio.create_task(self._wanted.wait())
        try:
            await asyncio.wait({wanted, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wanted.cancel()

    def _drop(self) -> None:
        """What waited is old by now; raft says it again."""
        self._waiting.clear()
        self._waiting_bytes = 0
        self._wanted.clear()
