"""Brokers over real socket files in one loop: copies, parked fetches, lost connections."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest

from data_plane.broker.config import Limits, PeerListenerConfig, TlsConfig
from data_plane.metadata.decision import Decision
from data_plane.metadata.records import (
    BrokerListener,
    CommitMode,
    MetadataRecord,
    PartitionRecord,
    RegisterBrokerRecord,
    TopicRecord,
)
from data_plane.peers.addresses import AddressRefused
from data_plane.peers.silence import SILENT_S_MAX
from data_plane.peers.wire import encode_asked, framed
from data_plane.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestReplicaState,
    FetchRequestTopic,
)
from data_plane.replication.peers import PeerLost
from data_plane.security.certificates import ForeignCertificate
from data_plane.server.clock import Clock
from data_plane.server.internal_listener import address_in, internal_address
from data_plane.server.peer_network import PeerNetwork
from data_plane.server.peer_tls import check_broker_certificate, peer_contexts
from data_plane.server.ticker import Ticker
from data_plane.server.tls import TlsRefused
from data_plane.server.turns import Turns
from tests.fakes.certificates import CertificateAuthority, Pair
from tests.unit.data_plane.broker.world import World, batch_of, produced

TOPIC, TOPIC_ID = "t", UUID(int=9)
WAIT_S = 60.0


class Site:
    """Some brokers with the same metadata, each with its part of the network."""

    def __init__(self, folder: Path, count: int, *, has_tls: bool = False) -> None:
        self.folder = folder
        self.ca = CertificateAuthority() if has_tls else None
        self.count = count
        self.worlds: list[World] = []
        self.networks: list[PeerNetwork] = []
        self.turns: list[Turns] = []
        self.tickers: list[Ticker] = []

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for broker_id in range(self.count):
            network = self.network(broker_id)
            world = World(broker_id=broker_id, peers=network.peers)
            self.worlds.append(world)
            turns = Turns(world.broker, Clock())
            world.now_ms = turns.clock.now_ms()  # Deadlines are of the ticker's clock.
            network.attach(turns)
            ticker = Ticker(turns, loop)
            turns.after = ticker.after_turn
            await network.open(turns)
            self.networks.append(network)
            self.turns.append(turns)
            self.tickers.append(ticker)
        self.tell([self.registration(one) for one in range(self.count)])

    def network(self, broker_id: int) -> PeerNetwork:
        config = PeerListenerConfig(f"unix:{self.folder}/{broker_id}")
        if self.ca is not None:
            tls = self.tls_files(f"broker-{broker_id}", self.ca.broker(broker_id, "cluster"))
            config = PeerListenerConfig("127.0.0.1:0", tls=tls)
        return PeerNetwork(
            config,
            broker_id=broker_id,
            cluster_id="cluster",
            limits=Limits(),
            loop=asyncio.get_running_loop(),
        )

    def tls_files(self, name: str, pair: Pair) -> TlsConfig:
        assert self.ca is not None, "a site with TLS has a CA"
        paths = [self.folder / f"{name}.{kind}" for kind in ("pem", "key", "ca")]
        texts = (pair.certificate_pem, pair.key_pem, self.ca.certificate_pem)
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        return TlsConfig(*paths)

    def registration(self, broker_id: int) -> RegisterBrokerRecord:
        return RegisterBrokerRecord(
            broker_id=broker_id,
            incarnation_id=UUID(int=broker_id),
            broker_epoch=100,
            directory_id=UUID(int=broker_id),
            node_id=f"node-{broker_id}",
            rack="",
            listeners=(self.networks[broker_id].advertised,),
        )

    def tell(self, records: list[MetadataRecord]) -> None:
        for world, turns in zip(self.worlds, self.turns, strict=True):
            world.broker.decide(lambda _: Decision(None, records))
            turns.end()

    def close(self) -> None:
        for ticker in self.tickers:
            ticker.stop()
        for network in self.networks:
            network.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition; the limit only ends a test that has failed."""
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110  What is waited for has no event.
            await asyncio.sleep(0.005)


def run(
    folder: Path, count: int, act: Callable[[Site], Awaitable[None]], *, has_tls: bool = False
) -> None:
    async def body() -> None:
        site = Site(folder, count, has_tls=has_tls)
        try:
            await site.open()
            await act(site)
        finally:
            site.close()
            await asyncio.sleep(0)

    asyncio.run(body())


@pytest.mark.parametrize("has_tls", [False, True], ids=["unix", "tls"])
@pytest.mark.parametrize("mode", [CommitMode.SYNCED, CommitMode.SPREAD], ids=["synced", "spread"])
def test_followers_copy_over_sockets(tmp_path: Path, mode: CommitMode, has_tls: bool) -> None:
    async def act(site: Site) -> None:
        row = PartitionRecord(TOPIC_ID, 0, (0, 1, 2), (0, 1, 2), 0, 0, 0, commit_mode=mode)
        site.tell([TopicRecord(TOPIC, TOPIC_ID), row])
        batch = batch_of(b"x" * 200_000)
        produce = site.worlds[0].produce
        asked = [produce(TOPIC, batch, timeout_ms=600_000) for _ in range(3)]
        site.turns[0].end()
        await until(lambda: all(one.is_answered for one in asked))
        assert [produced(one).error_code for one in asked] == [0, 0, 0]
        await until(lambda: site.worlds[2].broker.followers[TOPIC, 0].log.log_end_offset == 3)
        leader = site.worlds[0].broker.partition(TOPIC, 0)
        assert leader.high_watermark == 3

    run(tmp_path, 3, act, has_tls=has_tls)


def test_a_clients_certificate_opens_no_internal_listener(tmp_path: Path) -> None:
    async def act(site: Site) -> None:
        assert site.ca is not None
        tls = site.tls_files("credential", site.ca.client("broker-1", "cluster"))
        _, context = peer_contexts(tls)
        assert context is not None
        port = site.networks[0].advertised.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        _, frame = encode_asked(ApiVersionsRequest("a", "1"), 1, 1)
        writer.write(framed(frame))
        async with asyncio.timeout(WAIT_S):
            assert await reader.read() == b""
        writer.close()

    run(tmp_path, 1, act, has_tls=True)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system's own patience")
def test_both_ends_of_a_connection_notice_that_the_other_is_silent(tmp_path: Path) -> None:
    """The accepted end keeps no longer patience, as clients' connections have."""

    async def act(site: Site) -> None:
        answers: list[object] = []
        site.networks[1].peers.request(
            0, ApiVersionsRequest("a", "1"), answers.append, timeout_ms=600_000
        )
        await until(lambda: bool(answers))
        (accepted,) = site.networks[0]._connections._open
        (link,) = site.networks[1].peers._links.values()
        assert link._connection is not None
        for one in (accepted._transport, link._connection._transport):
            assert one is not None
            sock = one.get_extra_info("socket")
            patience = [
                sock.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE)
            ]
            assert patience == [SILENT_S_MAX * 1_000, 2]

    run(tmp_path, 2, act, has_tls=True)


def test_a_parked_fetch_holds_up_nothing_else(tmp_path: Path) -> None:
    async def act(site: Site) -> None:
        answers: list[object] = []
        row = PartitionRecord(TOPIC_ID, 0, (0, 1), (0, 1), 0, 0, 0)
        site.tell([TopicRecord(TOPIC, TOPIC_ID), row])
        wanted = FetchRequestTopic(topic_id=TOPIC_ID, partitions=[FetchRequestPartition(0)])
        fetch = FetchRequest(
            replica_state=FetchRequestReplicaState(1, 100),
            max_wait_ms=600_000,
            topics=[wanted],
            rack_id="other",
        )
        peers = site.networks[1].peers
        parked: list[object] = []
        peers.request(0, fetch, parked.append, timeout_ms=600_000)
        for target in (0, 1):  # Another broker, and the broker itself.
            peers.request(target, ApiVersionsRequest("a", "1"), answers.append, timeout_ms=600_000)
        await until(lambda: len(answers) == 2)
        assert all(isinstance(one, ApiVersionsResponse) for one in answers)
        assert not parked
        site.networks[0].close()
        await until(lambda: bool(parked))
        assert isinstance(parked[0], PeerLost)

    run(tmp_path, 2, act)


def test_who_cannot_be_reached_is_lost_and_found_again(tmp_path: Path) -> None:
    async def act(site: Site) -> None:
        answers: list[object] = []
        peers = site.networks[0].peers
        request = ApiVersionsRequest("a", "1")
        site.networks[1].close()
        for target in (1, 7):
            peers.request(target, request, answers.append, timeout_ms=600_000)
        assert not answers, "an answer never comes inside the call"
        await until(lambda: len(answers) == 2)
        assert all(isinstance(one, PeerLost) for one in answers)
        again = site.networks[1] = site.network(1)
        again.attach(site.turns[1])
        await again.open(site.turns[1])
        peers.request(1, request, answers.append, timeout_ms=600_000)
        await until(lambda: len(answers) == 3)
        assert isinstance(answers[2], ApiVersionsResponse)

    run(tmp_path, 2, act)


def test_an_answer_that_does_not_come_in_time_is_lost(tmp_path: Path) -> None:
    """A listener that accepts and says nothing: a stopped process."""

    async def act(site: Site) -> None:
        site.networks[1].close()
        mute = socket.socket(socket.AF_UNIX)
        mute.bind(f"{tmp_path}/1")
        mute.listen()
        answers: list[object] = []
        peers = site.networks[0].peers
        for _ in range(2):
            peers.request(1, ApiVersionsRequest("a", "1"), answers.append, timeout_ms=1)
        await until(lambda: len(answers) == 2)
        assert all(isinstance(one, PeerLost) for one in answers)
        mute.close()

    run(tmp_path, 2, act)


def test_certificates_among_brokers_are_read_anew_without_a_restart(tmp_path: Path) -> None:
    """New handshakes show and trust what the files hold; files that cannot be used change nothing.

    Method: the files get a pair of another CA, and a bundle of both; a broker of the new CA is let
    in then, and the network's own context goes out with the new pair.
    """

    async def act(site: Site) -> None:
        assert site.ca is not None
        network = site.networks[0]
        host, _, port = address_in(network.advertised).rpartition(":")

        async def shown(trusted: CertificateAuthority, own: Pair) -> bytes:
            files = [tmp_path / f"asking.{kind}" for kind in ("pem", "key", "ca")]
            texts = (own.certificate_pem, own.key_pem, trusted.certificate_pem)
            for path, text in zip(files, texts, strict=True):
                path.write_text(text)
            _, context = peer_contexts(TlsConfig(*files))
            reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
            found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            _, frame = encode_asked(ApiVersionsRequest("a", "1"), 1, 1)
            writer.write(framed(frame))
            assert await reader.readexactly(4), "it is answered"
            writer.close()
            return found

        before = await shown(site.ca, site.ca.broker(1, "cluster"))
        other = CertificateAuthority("another CA")
        with pytest.raises(ssl.SSLError):
            await shown(other, other.broker(1, "cluster"))
        pair = other.broker(0, "cluster")
        (tmp_path / "broker-0.pem").write_text(pair.certificate_pem)
        with pytest.raises(TlsRefused):
            network.reload()  # The key is another certificate's.
        assert await shown(site.ca, site.ca.broker(1, "cluster")) == before
        (tmp_path / "broker-0.key").write_text(pair.key_pem)
        both = site.ca.certificate_pem + other.certificate_pem
        (tmp_path / "broker-0.ca").write_text(both)
        network.reload()
        assert await shown(other, other.broker(1, "cluster")) != before
        assert await shown(other, site.ca.broker(1, "cluster")) != before

    run(tmp_path, 1, act, has_tls=True)


def test_addresses_survive_a_registration() -> None:
    for address in ("unix:/tmp/socket", "host.test:9094", "[::1]:9094"):
        assert address_in(internal_address(address)) == address
    assert internal_address("host.test:1") == BrokerListener("INTERNAL", "host.test", 1)
    with pytest.raises(AddressRefused):
        internal_address("unix:" + "x" * 200)


def certificate(name: str, organization: str = "c", **more: object) -> dict[str, object]:
    subject = ((("organizationName", organization),), (("commonName", name),))
    return {"subject": subject, **more}


def test_only_a_brokers_certificate_comes_in() -> None:
    names = (("DNS", "localhost"),)
    check_broker_certificate(certificate("broker-3", subjectAltName=names), "c")
    for refused in (
        None,
        certificate("broker-3"),  # A credential that is called like a broker.
        certificate("credential", subjectAltName=names),
        certificate("broker-3", "another", subjectAltName=names),
    ):
        with pytest.raises(ForeignCertificate):
            check_broker_certificate(refused, "c")
