"""The embedded engine's files: in full, the same each time, the key in none but its own."""

import json
import signal
import uuid
from dataclasses import replace
from pathlib import Path, PurePath

from data_plane.agent.engines.base import BrokerPlace, PeerPlace
from data_plane.agent.engines.embedded import IDENTITY, EmbeddedEngine
from data_plane.agent.ports import BrokerPorts
from data_plane.agent.storage import BrokerStorage
from data_plane.contract.spec import BrokerSpec, ClusterSpec, MemberSpec, SealedSecret
from data_plane.log import identity
from data_plane.log.files import DiskFiles
from data_plane.server.config_file import read_config
from data_plane.server.stop_signals import STOP_TOGETHER

SEALED = SealedSecret(ephemeral_public_key="", nonce="", ciphertext="")
BROKER = BrokerSpec(
    broker_id=3, advertised_host="kafka.example", certificate_pem="chain", key=SEALED, rack="r1"
)
CLUSTER = ClusterSpec(
    cluster_id=str(uuid.uuid4()),
    generation=1,
    trusted_ca_pem="ca",
    admin_principal="User:CN=admin,O=x",
    brokers=[BROKER],
    disk_bytes_max=10**9,
    broker_configs={"log.retention.ms": "1"},
)


def place(tmp_path: Path) -> BrokerPlace:
    return BrokerPlace(BrokerStorage(tmp_path, 3), BrokerPorts(20000, 30001, 30002), "0.0.0.0")


def test_files_say_what_the_broker_needs(tmp_path: Path) -> None:
    files = EmbeddedEngine().files(CLUSTER, BROKER, b"the key", place(tmp_path))
    config = json.loads(files[PurePath("broker.json")])
    listeners = {listener["name"]: listener for listener in config["listeners"]}
    client, agent = listeners["CLIENT"], listeners["AGENT"]
    assert (client["bind"], client["port"]) == ("0.0.0.0", 20000)
    assert (client["advertised_host"], client["advertised_port"]) == ("kafka.example", 20000)
    assert (agent["bind"], agent["port"], agent["advertised_host"]) == (
        "127.0.0.1",
        30001,
        "127.0.0.1",
    )
    assert client["tls"] == agent["tls"]  # nothing is served in the clear, not even on loopback
    assert config["super_users"] == ["User:CN=admin,O=x"]
    assert config["static_configs"] == {"log.retention.ms": "1"}
    assert (config["metrics_port"], config["disk_bytes_max"]) == (30002, 10**9)
    assert files[PurePath("server.key")] == b"the key"
    assert [name for name, content in files.items() if b"the key" in content] == [
        PurePath("server.key")
    ]


def test_a_broker_among_others_knows_whom_it_forms_the_quorum_with(tmp_path: Path) -> None:
    ids = [str(uuid.uuid4()) for _ in range(4)]
    members = [
        MemberSpec(broker_id=at, directory_id=one, is_first_voter=at < 3)
        for at, one in enumerate(ids)
    ]
    cluster = CLUSTER.model_copy(update={"members": members})
    own_id = str(uuid.uuid4())
    peers = PeerPlace("node-7", own_id, Path("/s"))
    files = EmbeddedEngine().files(cluster, BROKER, b"k", replace(place(tmp_path), peers=peers))
    written = tmp_path / "broker.json"
    written.write_bytes(files[PurePath("broker.json")])
    config = read_config(written)
    assert (config.node_id, str(config.directory_id)) == ("node-7", own_id)
    assert config.spec_broker_count == 4
    assert config.internal_listener is not None
    assert config.internal_listener.address == "unix:/s/internal-3.sock"
    assert config.quorum_listener is not None
    assert config.quorum_listener.address == "unix:/s/quorum-3.sock"
    assert [
        (one.broker_id, str(one.directory_id), one.quorum_address) for one in config.initial_voters
    ] == [(at, ids[at], f"unix:/s/quorum-{at}.sock") for at in range(3)]


def test_a_formatted_directory_is_known_by_the_brokers_own_file(tmp_path: Path) -> None:
    storage = BrokerStorage(tmp_path, 3)
    assert str(IDENTITY) == identity.NAME
    assert EmbeddedEngine().formatted_as(storage) is None
    storage.create()
    directory_id = uuid.uuid4()
    written = identity.Identity(CLUSTER.cluster_id, 3, directory_id)
    identity.write_identity(DiskFiles(), PurePath(storage.data), written)
    assert EmbeddedEngine().formatted_as(storage) == str(directory_id)


def test_between_nodes_brokers_talk_by_mutual_tls(tmp_path: Path) -> None:
    """Also where the cluster grew out of one broker: nobody forms it, the others are joined."""
    members = [
        MemberSpec(
            broker_id=at,
            directory_id=str(uuid.uuid4()),
            host=f"node-{at}.example",
            internal_port=7000 + at,
            quorum_port=8000 + at,
        )
        for at in range(2, 5)
    ]
    cluster = CLUSTER.model_copy(update={"members": members, "peers": "tls"})
    ports = BrokerPorts(20000, 30001, 30002, internal=7003, quorum=8003)
    where = BrokerPlace(
        BrokerStorage(tmp_path, 3),
        ports,
        "0.0.0.0",
        PeerPlace("node-7", str(uuid.uuid4()), Path("/s")),
    )
    files = EmbeddedEngine().files(cluster, BROKER, b"k", where)
    written = tmp_path / "broker.json"
    written.write_bytes(files[PurePath("broker.json")])
    config = read_config(written)
    for listener, port in ((config.internal_listener, 7003), (config.quorum_listener, 8003)):
        assert listener is not None
        assert listener.address == f"0.0.0.0:{port}"
        assert listener.reached_at == f"node-3.example:{port}"
        assert listener.tls is not None
        assert listener.tls.client_ca_file is not None
    assert config.initial_voters == ()
    assert config.join == ("node-2.example:8002", "node-4.example:8004")
    agent = next(one for one in config.listeners if one.name == "AGENT")
    assert (agent.bind, agent.advertised_host) == ("0.0.0.0", "kafka.example")


def test_the_same_spec_gives_the_same_bytes(tmp_path: Path) -> None:
    engine = EmbeddedEngine()
    first = engine.files(CLUSTER, BROKER, b"k", place(tmp_path))
    assert first == engine.files(CLUSTER.model_copy(deep=True), BROKER, b"k", place(tmp_path))
    topics_only = CLUSTER.model_copy(update={"generation": 2, "topics": []})
    assert first == engine.files(topics_only, BROKER, b"k", place(tmp_path))


def test_the_command_line_names_the_configuration_and_no_secret(tmp_path: Path) -> None:
    engine = EmbeddedEngine()
    argv = engine.argv(place(tmp_path))
    assert argv[1:] == ["-m", "data_plane.server.main", "run", "--config", argv[-1]]
    assert argv[-1] == engine.marker(BrokerStorage(tmp_path, 3))
    assert str(tmp_path) in argv[-1]


def test_a_cluster_that_is_here_as_a_whole_stops_as_one(tmp_path: Path) -> None:
    """Between nodes, and alone, a broker is stopped as usual: others go on, or there are none."""
    storage, engine = BrokerStorage(tmp_path, 3), EmbeddedEngine()
    assert engine.stop_of_all(storage) == signal.SIGTERM, "no file yet"
    storage.create()
    for listener, expected in [
        (None, signal.SIGTERM),
        ({"address": "10.0.0.1:9093"}, signal.SIGTERM),
        ({"address": "unix:/run/internal-3.sock"}, STOP_TOGETHER),
    ]:
        document = {} if listener is None else {"internal_listener": listener}
        (storage.config / "broker.json").write_text(json.dumps(document))
        assert engine.stop_of_all(storage) == expected
