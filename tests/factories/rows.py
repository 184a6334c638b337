"""Rows of the control plane as they look in the middle of their lives."""

import base64
import datetime as dt
import math
import random
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert
from sqlalchemy.orm import Session

from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.states import AddonState, OperationState, TopicState
from control_plane.models import (
    Account,
    Addon,
    App,
    Cluster,
    ClusterBroker,
    ClusterSpecRow,
    MetricSampleRow,
    Node,
    Topic,
)
from control_plane.services import accounts, addons, apps, operations, tokens, topics, usage
from data_plane.contract.report import BrokerStatus, ClusterStatus

SLUG = "ottla-kafka"
PASSWORD = "correct horse battery"


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Tenant:
    account: Account
    token: str


def tenant(
    session: Session, email: str, *, password: str | None = None, is_operator: bool = False
) -> Tenant:
    account = accounts.create(
        session, email=email, password=password, now=now(), is_operator=is_operator
    )
    _, text = tokens.issue(session, account, description="test", now=now())
    return Tenant(account, text)


def app(session: Session, account: Account, name: str) -> App:
    return apps.create(session, account, name=name, now=now(), rng=random.Random(1))


def node(session: Session, key: Ed25519PrivateKey | None = None, name: str = "node-1") -> Node:
    signing = (key or Ed25519PrivateKey.generate()).public_key().public_bytes_raw()
    row = Node(
        name=name,
        signing_public_key=base64.b64encode(signing).decode(),
        sealing_public_key=base64.b64encode(bytes(32)).decode(),
        advertised_host="127.0.0.1",
        port_first=20000,
        port_last=20999,
        registered_at=now(),
        last_report_at=now(),
        agent_version="0.1.0",
    )
    session.add(row)
    session.flush()
    return row


def addon(session: Session, on: App, name: str, *, plan: str = "mini-0") -> Addon:
    """An add-on whose provisioning has just been asked for."""
    row, _ = addons.create(
        session, on, plan=plan, slug=SLUG, now=now(), rng=random.Random(2), name=name
    )
    return row


def available(
    session: Session, on: Addon, host: Node, *, age: dt.timedelta = dt.timedelta(hours=2)
) -> Cluster:
    """Bring an add-on to where its provisioning would have brought it."""
    born = now() - age
    cluster = addons.cluster_of(session, on)
    on.state, on.created_at = AddonState.PROVISIONED, born
    cluster.state, cluster.created_at, cluster.available_at = ClusterState.AVAILABLE, born, born
    session.add(
        ClusterBroker(
            cluster_id=cluster.id, node_id=host.id, broker_id=0, port=20001, phase="ready"
        )
    )
    finished = {"state": OperationState.SUCCEEDED, "finished_at": now()}
    for operation in operations.live_on(session, cluster.id):
        for field, value in finished.items():
            setattr(operation, field, value)
    session.flush()
    report(session, cluster, host)
    usage.open_interval(session, cluster, at=born)
    return cluster


def report(session: Session, cluster: Cluster, host: Node, *, phase: str = "ready") -> None:
    """Pretend that the node has just said how its share stands."""
    status = ClusterStatus.model_validate(
        {
            "cluster_id": str(cluster.id),
            "observed_generation": 1,
            "phase": phase,
            "brokers": [BrokerStatus.model_validate({"broker_id": 0, "phase": phase})],
        }
    )
    row = session.get(ClusterSpecRow, (cluster.id, host.id))
    if row is None:
        row = ClusterSpecRow(
            cluster_id=cluster.id,
            node_id=host.id,
            generation=1,
            document={"desired": "running"},
            published_at=now(),
            observed_generation=1,
        )
        session.add(row)
    row.status, row.observed_at = status.model_dump(mode="json"), now()
    host.last_report_at = now()
    session.flush()


def topic(
    session: Session, on: Cluster, name: str, *, partitions: int = 8, size_bytes: int = 0
) -> Topic:
    row, operation = topics.create(session, on, name=name, partition_count=partitions, now=now())
    row.state, row.size_bytes = TopicState.AVAILABLE, size_bytes
    operation.state, operation.finished_at = OperationState.SUCCEEDED, now()
    session.flush()
    return row


def sample(
    session: Session,
    cluster: Cluster,
    host: Node,
    name: str,
    at: dt.datetime,
    value: float,
    *,
    sequence: int,
    topic_name: str | None = None,
) -> None:
    session.add(
        MetricSampleRow(
            node_id=host.id,
            sequence=sequence,
            cluster_id=cluster.id,
            broker_id=0,
            name=name,
            topic=topic_name,
            at=at,
            value=value,
        )
    )


def traffic(
    session: Session,
    cluster: Cluster,
    host: Node,
    *,
    minutes: int,
    bytes_per_s: float,
    topic_names: tuple[str, ...] = (),
    first_sequence: int,
    silent_minutes: tuple[int, ...] = (),
) -> int:
    """Store counters as an agent would have, up to now; returns the next free sequence number.

    silent_minutes: minutes ago in which nothing was reported.
    """
    rng, rows, sequence, every_s = random.Random(bytes_per_s), [], first_sequence, 10
    totals: dict[tuple[str, str | None], float] = {}
    end = now()
    for seconds_ago in range(minutes * 60, -1, -every_s):
        swing = 1 + 0.5 * math.sin(seconds_ago / 420) + rng.uniform(-0.12, 0.12)
        for name, share in (
            ("bytes_in_total", 1.0),
            ("bytes_out_total", 1.7),
            ("messages_in_total", 0.004),
        ):
            for topic_name, part in (
                (None, 1.0),
                *((each, 1 / len(topic_names)) for each in topic_names),
            ):
                key = name, topic_name
                totals[key] = totals.get(key, 0.0) + bytes_per_s * share * part * swing * every_s
                if seconds_ago // 60 not in silent_minutes:
                    rows.append(
                        {
                            "node_id": host.id,
                            "sequence": sequence,
                            "cluster_id": cluster.id,
                            "broker_id": 0,
                            "name": name,
                            "topic": topic_name,
                            "at": end - dt.timedelta(seconds=seconds_ago),
                            "value": totals[key],
                        }
                    )
                    sequence += 1
    session.execute(insert(MetricSampleRow), rows)
    return sequence
