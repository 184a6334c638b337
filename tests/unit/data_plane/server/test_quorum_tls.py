"""The quorum between nodes: mutual TLS, and a certificate that the cluster made for a broker."""

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from data_plane.broker.config import TlsConfig
from data_plane.peers.addresses import bound
from data_plane.peers.quorum_link import QuorumLinks
from data_plane.raft.messages import Ask, Message
from data_plane.raft.voters import VoterKey
from data_plane.server.peer_tls import check_broker_certificate, peer_contexts
from tests.fakes.certificates import CertificateAuthority, Pair

SECONDS_MAX = 30.0
CLUSTER = "cluster"


def files(folder: Path, name: str, pair: Pair, ca: CertificateAuthority) -> TlsConfig:
    paths = [folder / f"{name}.{end}" for end in ("crt", "key", "ca")]
    texts = (pair.certificate_pem, pair.key_pem, ca.certificate_pem)
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return TlsConfig(*paths)


def links(number: int, tls: TlsConfig, address: str, received: list[Message]) -> QuorumLinks:
    server, client = peer_contexts(tls)

    def check(certificate: object) -> None:
        check_broker_certificate(certificate if isinstance(certificate, dict) else None, CLUSTER)

    return QuorumLinks(
        VoterKey(number, UUID(int=number + 1)),
        CLUSTER,
        "",
        address_of=lambda _: address,
        seeds=(),
        on_message=received.append,
        server_tls=server,
        client_tls=client,
        check_peer=check,
    )


def question(number: int) -> Ask:
    return Ask(
        cluster_id=CLUSTER,
        source=VoterKey(number, UUID(int=number + 1)),
        target=VoterKey(0, UUID(int=1)),
        term=1,
        request_id=1,
        body=b"",
    )


@pytest.mark.parametrize("who", ["broker", "client", "stranger"])
def test_only_brokers_of_the_cluster_are_heard(tmp_path: Path, who: str) -> None:
    """Method: a broker asks beside it; by the time it was heard ten times, so was who may be."""
    ca, other = CertificateAuthority(), CertificateAuthority()
    pairs = {
        "broker": (ca.broker(1, CLUSTER), ca),
        "client": (ca.client("broker-1", CLUSTER), ca),
        "stranger": (other.broker(1, CLUSTER), ca),
    }
    received: list[Message] = []

    async def scenario() -> None:
        listening = bound("127.0.0.1:0")
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        own = files(tmp_path, "own", ca.broker(0, CLUSTER), ca)
        server = links(0, own, "", received)
        await server.open(listening)
        asking = links(1, files(tmp_path, "asks", *pairs[who]), address, [])
        asking.send(question(1))
        friend = links(2, files(tmp_path, "friend", ca.broker(2, CLUSTER), ca), address, [])
        while sum(one.source.id == 2 for one in received) < 10:
            asking.send(question(1))
            friend.send(question(2))
            await asyncio.sleep(0.02)
        if who == "broker":
            while not any(one.source.id == 1 for one in received):
                asking.send(question(1))
                await asyncio.sleep(0.02)
        for one in (server, asking, friend):
            one.close()

    asyncio.run(asyncio.wait_for(scenario(), SECONDS_MAX))
    heard = {one.source.id for one in received}
    assert heard == ({1, 2} if who == "broker" else {2})
