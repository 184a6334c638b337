"""The command-line tools of Apache Kafka, each run as people run it, and a Kafka Streams program.

TOOLS maps what an operator types to the check of it. A check raises AssertionError with what the
tool said instead.
"""

import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.conformance.clients.confluent import ConfluentClient
from tests.conformance.place import Place
from tests.conformance.record import Record
from tests.conformance.toolchains import java
from tests.conformance.verifiable_run import witness
from tests.conformance.world import settle

SECONDS_MAX: Final = 300  # of a loaded machine; a few without load
PACKAGE: Final = "org.apache.kafka.tools."
GROUP_COMMAND: Final = PACKAGE + "consumer.group.ConsumerGroupCommand"
CONFIG_COMMAND: Final = "kafka.admin.ConfigCommand"
USER: Final = "User:CN=somebody"


class Tools:
    """The tools on what is under test; librdkafka checks what they did.

    is_killing: brokers die meanwhile.
    """

    def __init__(self, place: Place, reference: ConfluentClient, *, is_killing: bool) -> None:
        self.address = place.address
        self.reference = reference
        self.place = place
        self.is_killing = is_killing

    def run(self, main_class: str, *arguments: str, first: Sequence[str] = ()) -> str:
        """What the tool printed; it must end with 0. `first` stands before the server's option."""
        code, said = self.ended(main_class, *arguments, first=first)
        assert code == 0, f"ended with {code}: {said.strip()[-300:]}"
        return said

    def changed(self, main_class: str, *arguments: str, done: str) -> None:
        """Run it for what it changes.

        done: how it is refused what is done already; where a broker dies before it answers, the
        tool asks the next one for the same again, and Apache Kafka refuses it as well.
        """
        code, said = self.ended(main_class, *arguments)
        is_done = self.is_killing and done in said
        assert code == 0 or is_done, f"ended with {code}: {said.strip()[-300:]}"

    def refused(self, main_class: str, *arguments: str) -> str:
        """What the tool printed where it was not to succeed, whatever it ended with."""
        return self.ended(main_class, *arguments)[1]

    def ended(self, main_class: str, *arguments: str, first: Sequence[str] = ()) -> tuple[int, str]:
        """Its exit code, and what it printed."""
        server = ["--bootstrap-server", self.address]
        argv = [*java.command(main_class), *first, *server, *arguments]
        if main_class == GROUP_COMMAND:  # By itself it waits five seconds, less than a failover.
            argv += ["--timeout", "60000"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS_MAX)
        return done.returncode, done.stdout + done.stderr

    def version(self) -> str:
        """Of the jars. Raises NotRun where they cannot be had."""
        return java.kafka_version()

    def topic(self, name: str, records: int = 0) -> str:
        self.reference.create_topic(name, 2, {})
        self.reference.produce(name, [Record(b"%d" % i, partition=i % 2) for i in range(records)])
        return name


def topics(tools: Tools) -> None:
    command = PACKAGE + "TopicCommand"
    made = ["--topic", "made", "--partitions", "3", "--config", "retention.ms=1"]
    tools.changed(command, "--create", *made, done="already exists")
    assert "made" in tools.run(command, "--list").split()
    grown = ["--topic", "made", "--partitions", "5"]
    tools.changed(command, "--alter", *grown, done="Topic already has 5 partition(s)")
    told = tools.run(command, "--describe", "--topic", "made")
    assert re.search(r"PartitionCount: 5\s.*retention\.ms=1", told), told
    rows = re.findall(r"Partition: \d+\s+Leader: (\d)\s+Replicas: (\S+)\s+Isr: (\S+)", told)
    everywhere = set(range(tools.place.replicas))
    assert len(rows) == 5, told
    for leader, replicas, in_sync in rows:
        assert set(map(int, replicas.split(","))) == everywhere, told
        assert int(leader) in set(map(int, in_sync.split(","))) <= everywhere, told
    tools.changed(command, "--delete", "--topic", "made", done="does not exist")
    assert "made" not in tools.reference.topics()


def consumer_groups(tools: Tools) -> None:
    _group_life(tools, tools.reference.join, "classic")


def new_consumer_groups(tools: Tools) -> None:
    """The same of a KIP-848 group."""
    _group_life(tools, tools.reference.join_by_heartbeat, "consumer")


def _group_life(tools: Tools, join: Callable[[str, str, str], None], kind: str) -> None:
    """Described while it works; offsets reset and deleted, and the group, once it is empty."""
    group, topic = f"shown-{kind}", tools.topic(f"grouped-{kind}", 10)
    join("m", group, topic)
    tools.reference.taken("m", 10)
    tools.reference.commit("m")
    told = tools.run(GROUP_COMMAND, "--describe", "--group", group)
    # group, topic, partition, current offset, log end offset, lag
    assert re.search(rf"{group}\s+{topic}\s+0\s+5\s+5\s+0\s+\S+", told), told
    assert "Stable" in tools.run(GROUP_COMMAND, "--describe", "--group", group, "--state")
    members = tools.run(GROUP_COMMAND, "--describe", "--group", group, "--members", "--verbose")
    assert re.search(rf"{topic}[(:]0,\s?1\)?", members), members
    await_listed(tools, group, kind)
    reset = ["--reset-offsets", "--group", group, "--topic", topic, "--execute"]
    refused = tools.refused(GROUP_COMMAND, *reset, "--to-offset", "3")
    assert "inactive" in refused, refused
    tools.reference.leave("m")
    tools.run(GROUP_COMMAND, *reset, "--to-offset", "3")
    assert tools.reference.committed(group, topic, 2) == {0: 3, 1: 3}
    tools.run(GROUP_COMMAND, "--delete-offsets", "--group", group, "--topic", topic)
    assert tools.reference.committed(group, topic, 2) == {}
    tools.run(GROUP_COMMAND, "--delete", "--group", group)
    assert group not in tools.run(GROUP_COMMAND, "--list").split()


def await_listed(tools: Tools, group: str, kind: str) -> None:
    """A list has what the brokers coordinate that are asked: for a moment after a coordinator died
    its successor has not heard of that yet, and no broker has the group.
    """
    listed = [""]

    def is_listed() -> bool:
        listed[0] = tools.run(GROUP_COMMAND, "--list", "--type", kind, "--state", "stable")
        return re.search(rf"{group}\s.*Stable", listed[0]) is not None

    settle(is_listed, lambda: listed[0])


def configs(tools: Tools) -> None:
    topic = tools.topic("configured")
    on_topic = ["--entity-type", "topics", "--entity-name", topic]
    tools.run(CONFIG_COMMAND, "--alter", *on_topic, "--add-config", "retention.ms=7200000")
    told = tools.run(CONFIG_COMMAND, "--describe", *on_topic)
    assert "DYNAMIC_TOPIC_CONFIG:retention.ms=7200000" in told, told
    tools.run(CONFIG_COMMAND, "--alter", *on_topic, "--delete-config", "retention.ms")
    assert "retention.ms" not in tools.run(CONFIG_COMMAND, "--describe", *on_topic)
    broker = ["--entity-type", "brokers", "--entity-name", "0", "--all"]
    assert "advertised.listeners" in tools.run(CONFIG_COMMAND, "--describe", *broker)


def users(tools: Tools) -> None:
    """SCRAM credentials and client quotas, both of kafka-configs."""
    user = ["--entity-type", "users", "--entity-name", "scrammed"]
    scram = "SCRAM-SHA-256=[iterations=4096,password=not-a-secret]"
    tools.run(CONFIG_COMMAND, "--alter", *user, "--add-config", scram)
    tools.run(CONFIG_COMMAND, "--alter", *user, "--add-config", "producer_byte_rate=1000000")
    told = tools.run(CONFIG_COMMAND, "--describe", *user)
    assert "SCRAM-SHA-256=iterations=4096" in told, told
    assert "producer_byte_rate=1000000.0" in told, told
    tools.run(CONFIG_COMMAND, "--alter", *user, "--delete-config", "SCRAM-SHA-256")
    tools.run(CONFIG_COMMAND, "--alter", *user, "--delete-config", "producer_byte_rate")
    assert "scrammed" not in tools.run(CONFIG_COMMAND, "--describe", "--entity-type", "users")


def acls(tools: Tools) -> None:
    command, topic = PACKAGE + "AclCommand", tools.topic("guarded")
    acl = ["--allow-principal", USER, "--operation", "Read", "--topic", topic]
    tools.run(command, "--add", *acl)
    told = tools.run(command, "--list", "--topic", topic)
    assert f"(principal={USER}, host=*, operation=READ, permissionType=ALLOW)" in told, told
    tools.run(command, "--remove", "--force", *acl)
    assert USER not in tools.run(command, "--list", "--topic", topic)


def transactions(tools: Tools) -> None:
    command, topic = PACKAGE + "TransactionsCommand", tools.topic("transacted")
    tools.reference.transaction("shown-txn", topic, [Record(b"v")], commit=True)
    seen = [""]

    def is_complete() -> bool:
        """Columns: id, coordinator, producer id, state; the markers come after the answer."""
        seen.append(tools.run(command, "list"))
        return re.search(r"shown-txn\s+\d+\s+\d+\s+CompleteCommit", seen[-1]) is not None

    settle(is_complete, lambda: f"the transaction is not complete: {seen[-1]}", SECONDS_MAX)
    told = tools.run(command, "describe", "--transactional-id", "shown-txn")
    assert "CompleteCommit" in told, told
    asked = ["describe-producers", "--topic", topic, "--partition", "0"]
    told = tools.run(command, *asked)
    assert re.search(r"^\d+\s+\d+\s+\d+\s+0\s+\d+\s+None", told, re.MULTILINE), told


def offsets(tools: Tools) -> None:
    topic = tools.topic("counted", 10)
    told = tools.run(PACKAGE + "GetOffsetShell", "--topic", topic)
    assert {"counted:0:5", "counted:1:5"} <= set(told.split()), told


def delete_records(tools: Tools) -> None:
    topic = tools.topic("shortened", 10)
    wanted = {"partitions": [{"topic": topic, "partition": 0, "offset": 3}], "version": 1}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(wanted, file)
        file.flush()
        told = tools.run(PACKAGE + "DeleteRecordsCommand", "--offset-json-file", file.name)
    assert f"{topic}-0\tlow_watermark: 3" in told, told


def cluster(tools: Tools) -> None:
    """What describes the broker: versions, quorum, features, log directories, elections."""
    assert re.search(r"Produce\(0\): 0 to \d+", tools.run(PACKAGE + "BrokerApiVersionsCommand"))
    quorum = tools.run(PACKAGE + "MetadataQuorumCommand", "describe", "--status")
    leads = re.search(r"LeaderId:\s+(\d+)", quorum)
    voters = re.search(r"CurrentVoters:\s+(\S.*)", quorum)
    assert leads, quorum
    assert voters, quorum
    assert re.search(rf"\b{leads[1]}\b", voters[1]), quorum
    assert "transaction.version" in tools.run(PACKAGE + "FeatureCommand", "describe")
    topic = tools.topic("weighed", 10)
    told = tools.run(PACKAGE + "LogDirsCommand", "--describe", "--topic-list", topic)
    assert re.search(r'"partition":"weighed-0","size":[1-9]', told), told
    settle(lambda: _elects(tools), lambda: "preferred leaders stay away", SECONDS_MAX)


def _elects(tools: Tools) -> bool:
    """A preferred leader that is dead, or not in sync again yet, is a refusal."""
    asked = ["--election-type", "preferred", "--all-topic-partitions"]
    code, said = tools.ended(PACKAGE + "LeaderElectionCommand", *asked)
    is_refused = tools.is_killing and "The preferred replica is not in sync" in said
    assert code == 0 or is_refused, f"ended with {code}: {said.strip()[-300:]}"
    return code == 0


def performance(tools: Tools) -> None:
    topic, count = tools.topic("measured"), "20000"
    size = ["--record-size", "200", "--throughput", "-1"]
    told = tools.run(
        PACKAGE + "ProducerPerformance", "--topic", topic, "--num-records", count, *size
    )
    assert f"{count} records sent" in told, told
    asked = ["--topic", topic, "--num-records", count, "--group", "measured"]
    told = tools.run(PACKAGE + "ConsumerPerformance", *asked)
    assert f", {count}, " in told, told


def verifiable(tools: Tools) -> None:
    topic = tools.topic("verified")
    told = tools.run(PACKAGE + "VerifiableProducer", "--topic", topic, "--max-messages", "200")
    assert '"acked":200' in told.replace(" ", ""), told[-300:]
    asked = ["--topic", topic, "--group-id", "verified", "--max-messages", "200"]
    told = tools.run(PACKAGE + "VerifiableConsumer", *asked, "--reset-policy", "earliest")
    committed = tools.reference.committed("verified", topic, 2)
    assert sum(committed.values()) == 200, f"{committed}: {told[-300:]}"


def witnesses(tools: Tools) -> None:
    """The same two at length, against the checker of histories (verifiable_run.py)."""
    found = witness(
        tools.address,
        tools.reference,
        lambda: tools.place.deaths,
        is_killing=tools.is_killing,
    )
    print(f"{'java_tools':14} {found.check()}", flush=True)


def streams(tools: Tools) -> None:
    """A word count with repartitioning, a changelog and exactly-once processing."""
    lines = ["all streams lead to kafka", "hello kafka streams", "join kafka summit"] * 20
    source, target = tools.topic("lines"), tools.topic("words")
    tools.reference.produce(
        source, [Record(line.encode(), partition=i % 2) for i, line in enumerate(lines)]
    )
    wanted = Counter(" ".join(lines).split())
    with tempfile.TemporaryDirectory(prefix="ottla-streams-") as folder:
        argv = java.command("WordCount")
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*argv, tools.address, "word-count", source, target, folder],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            settle(
                lambda: _counted(tools, target, sum(wanted.values())) == wanted,
                lambda: f"counts {_counted(tools, target, 1)}: {log.read_text()[-300:]}",
                SECONDS_MAX,
            )
            process.communicate(timeout=SECONDS_MAX)
            assert process.returncode == 0, log.read_text()[-300:]
        finally:
            process.kill()
            process.wait()


def _counted(tools: Tools, target: str, updates: int) -> Counter[str]:
    """The last count of each word, among what is committed."""
    ends = sum(tools.reference.offset_at(target, index, -1) for index in range(2))
    if ends < updates:
        return Counter()
    found = tools.reference.read(target, 2, updates, committed_only=True)
    return Counter({(one.key or b"").decode(): int(one.value or b"0") for one in found})


TOOLS: Final[dict[str, Callable[[Tools], None]]] = {
    "kafka-topics": topics,
    "kafka-consumer-groups": consumer_groups,
    "kafka-consumer-groups (KIP-848)": new_consumer_groups,
    "kafka-configs (topics, brokers)": configs,
    "kafka-configs (SCRAM users, quotas)": users,
    "kafka-acls": acls,
    "kafka-transactions": transactions,
    "kafka-get-offsets": offsets,
    "kafka-delete-records": delete_records,
    "kafka-broker-api-versions, -metadata-quorum, -features, -log-dirs, -leader-election": cluster,
    "kafka-producer-perf-test, -consumer-perf-test": performance,
    "kafka-verifiable-producer, -consumer": verifiable,
    "kafka-verifiable-producer, -consumer and our checker agree": witnesses,
    "Kafka Streams word count (exactly_once_v2)": streams,
}
