"""Rows to desired documents: deterministic, published under growing generations."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.placement import Peers
from control_plane.domain.plans import PLANS, Plan
from control_plane.domain.states import TopicState
from control_plane.models import Cluster, ClusterBroker, ClusterSpecRow, Node, NodeSpecRow, Topic
from control_plane.services import credentials
from data_plane.contract.spec import (
    AclSpec,
    BrokerSpec,
    ClusterSpec,
    FormedAs,
    MemberSpec,
    NodeSpec,
    PrincipalSpec,
    SealedSecret,
    TopicSpec,
    TurnSpec,
)

# Topics in these states belong on the brokers.
DESIRED_TOPICS = (TopicState.CREATING, TopicState.AVAILABLE, TopicState.UPDATING)
# Members of a group start within this of each other or cost a rebalance; Kafka's 3 s make
# each first start of a small app wait.
BROKER_CONFIGS = {"group.initial.rebalance.delay.ms": "500"}
# Two voters are worse than one: both must live. So one, or three, form the metadata quorum.
FIRST_VOTERS = 3
GONE = (ClusterState.DELETING, ClusterState.DELETED)


def publish(session: Session, cluster_id: uuid.UUID, *, now: dt.datetime) -> int:
    """Bring the published documents in line with the rows; returns the cluster's generation.

    Unchanged rows publish nothing and return the generation there is, so a step may run again.
    """
    cluster = lock(session, cluster_id)
    shares = {row.node_id: row for row in shares_of(session, cluster_id)}
    wanted = _documents(session, cluster)
    for node_id in shares.keys() - wanted.keys():
        # A node that lost its part of the cluster is told so until it has obeyed.
        wanted[node_id] = ClusterSpec(cluster_id=str(cluster_id), generation=1, desired="absent")
    documents = {node_id: _bare(spec.model_dump(mode="json")) for node_id, spec in wanted.items()}
    if documents == {node_id: _bare(row.document) for node_id, row in shares.items()}:
        return cluster.spec_generation
    cluster.spec_generation += 1
    for node_id in sorted(documents):
        document = {**documents[node_id], "generation": cluster.spec_generation}
        _upsert_share(session, cluster_id, node_id, document, now)
        publish_node(session, node_id, now=now)
    return cluster.spec_generation


def lock(session: Session, cluster_id: uuid.UUID) -> Cluster:
    """Lock the cluster's row, then its nodes' rows, the order in which everyone takes them.

    Reports take their node first, too; so a publication and a report never wait for each other.
    """
    cluster = session.scalars(
        select(Cluster)
        .where(Cluster.id == cluster_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()
    of_brokers = select(ClusterBroker.node_id).where(ClusterBroker.cluster_id == cluster_id)
    of_shares = select(ClusterSpecRow.node_id).where(ClusterSpecRow.cluster_id == cluster_id)
    nodes = select(Node.id).where(Node.id.in_(of_brokers.union(of_shares)))
    session.scalars(nodes.order_by(Node.id).with_for_update(key_share=True)).all()
    return cluster


def publish_node(session: Session, node_id: uuid.UUID, *, now: dt.datetime) -> int:
    """Gather a node's shares into its next NodeSpec; returns the node's generation."""
    # The node's row is the lock under which its generation grows.
    session.scalars(select(Node.id).where(Node.id == node_id).with_for_update(key_share=True)).one()
    session.flush()
    row = session.get(NodeSpecRow, node_id, populate_existing=True)
    found = select(ClusterSpecRow).where(ClusterSpecRow.node_id == node_id)
    shares = session.scalars(
        # Shares are written past the identity map; what it holds may be old.
        found.order_by(ClusterSpecRow.cluster_id).execution_options(populate_existing=True)
    ).all()
    generation = 1 if row is None else row.generation + 1
    spec = NodeSpec(
        node_id=str(node_id),
        generation=generation,
        clusters=[ClusterSpec.model_validate(share.document) for share in shares],
    )
    if row is None:
        row = NodeSpecRow(node_id=node_id)
        session.add(row)
    row.generation, row.document = generation, spec.model_dump(mode="json")
    row.published_at = now
    session.flush()
    return generation


def after(session: Session, node_id: uuid.UUID, generation: int) -> NodeSpec | None:
    """Return the node's spec if it is newer than `generation`, else None."""
    found = select(NodeSpecRow.document).where(
        NodeSpecRow.node_id == node_id, NodeSpecRow.generation > generation
    )
    document = session.scalar(found)
    return None if document is None else NodeSpec.model_validate(document)


def latest_generation(session: Session, node_id: uuid.UUID) -> int:
    """Return the generation of the node's newest spec; 0: none was ever published."""
    return session.scalar(select(NodeSpecRow.generation).where(NodeSpecRow.node_id == node_id)) or 0


def shares_of(session: Session, cluster_id: uuid.UUID) -> Sequence[ClusterSpecRow]:
    """Return the cluster's shares, one per node, with what each node last said of its own."""
    found = select(ClusterSpecRow).where(ClusterSpecRow.cluster_id == cluster_id)
    return session.scalars(
        found.order_by(ClusterSpecRow.node_id).execution_options(populate_existing=True)
    ).all()


def running_shares_of(session: Session, cluster_id: uuid.UUID) -> Sequence[ClusterSpecRow]:
    """Those of nodes that shall run something; a node that was told to remove its share is not."""
    return [row for row in shares_of(session, cluster_id) if row.document["desired"] == "running"]


def observed_generation(session: Session, cluster_id: uuid.UUID) -> int:
    """Return the generation that every node of the cluster has applied; 0: none yet."""
    return min((row.observed_generation for row in shares_of(session, cluster_id)), default=0)


def forget(session: Session, share: ClusterSpecRow, *, now: dt.datetime) -> None:
    """Drop a share that its node has reported absent, and its places on that node.

    The next NodeSpec leaves the cluster out.
    """
    cluster_id, node_id = share.cluster_id, share.node_id
    session.delete(share)
    session.execute(
        delete(ClusterBroker).where(
            ClusterBroker.cluster_id == cluster_id, ClusterBroker.node_id == node_id
        )
    )
    session.flush()
    publish_node(session, node_id, now=now)


def _bare(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "generation"}


def _upsert_share(
    session: Session,
    cluster_id: uuid.UUID,
    node_id: uuid.UUID,
    document: dict[str, Any],
    now: dt.datetime,
) -> None:
    values = {"generation": document["generation"], "document": document, "published_at": now}
    session.execute(
        insert(ClusterSpecRow)
        .values(cluster_id=cluster_id, node_id=node_id, observed_generation=0, status={}, **values)
        .on_conflict_do_update(index_elements=["cluster_id", "node_id"], set_=values)
    )


def _documents(session: Session, cluster: Cluster) -> dict[uuid.UUID, ClusterSpec]:
    """Build the cluster's share of each node it has brokers on; none once it is being deleted.

    The generation is not known yet: the caller compares and sets it.
    """
    if cluster.state in GONE:
        return {}
    found = select(ClusterBroker).where(ClusterBroker.cluster_id == cluster.id)
    by_node: dict[uuid.UUID, list[ClusterBroker]] = {}
    for broker in session.scalars(found.order_by(ClusterBroker.broker_id)):
        by_node.setdefault(broker.node_id, []).append(broker)
    admins = {row.node_id: row for row in credentials.of_cluster(session, cluster.id)}
    placed = {broker.node_id for row in by_node.values() for broker in row if broker.is_member}
    principals_of_agents = sorted(admins[node_id].principal for node_id in placed)
    everybody = [broker for brokers in by_node.values() for broker in brokers]
    members, disk_bytes_max = _members(cluster, everybody), _disk_bytes_max(cluster, everybody)
    topics, principals = _topics(session, cluster), _principals(session, cluster)
    peers: Any = cluster.peers  # the contract's Literal checks it
    return {
        node_id: ClusterSpec(
            cluster_id=str(cluster.id),
            engine=_engine(cluster),
            generation=1,
            trusted_ca_pem=cluster.ca_certificate_pem or "",
            admin_certificate_pem=admins[node_id].certificate_pem,
            admin_key=SealedSecret.model_validate(admins[node_id].node_sealed_key),
            admin_principal=admins[node_id].principal,
            admin_principals=principals_of_agents,
            brokers=[_broker(broker) for broker in brokers],
            members=members,
            peers=peers,
            turn=_turn(cluster),
            topics=topics,
            principals=principals,
            disk_bytes_max=disk_bytes_max,
            broker_configs=BROKER_CONFIGS,
            software_version=str(cluster.addon.options.get("version", "")),
        )
        for node_id, brokers in by_node.items()
    }


def _engine(cluster: Cluster) -> Any:
    return cluster.engine  # the contract's Literal checks it


def _broker(broker: ClusterBroker) -> BrokerSpec:
    return BrokerSpec(
        broker_id=broker.broker_id,
        advertised_host=broker.node.advertised_host,
        # The agent chooses a free port of its range and keeps it; a port once reported stays.
        port=0,
        certificate_pem=broker.certificate_pem or "",
        key=SealedSecret.model_validate(broker.node_sealed_key),
        rack=broker.node.rack,
        is_candidate=not broker.is_member or broker.came_from_id is not None,
    )


def _members(cluster: Cluster, brokers: Sequence[ClusterBroker]) -> list[MemberSpec]:
    """Every broker that is one of several; none where one is the whole cluster."""
    rows = sorted((row for row in brokers if row.is_member), key=lambda row: row.broker_id)
    if len(rows) < 2:
        return []
    return [_member(cluster, row) for row in rows]


def _member(cluster: Cluster, row: ClusterBroker) -> MemberSpec:
    is_spread = cluster.peers == Peers.TLS
    return MemberSpec(
        broker_id=row.broker_id,
        directory_id=_directory_id(cluster, row.broker_id, row.moves),
        is_first_voter=is_first_voter(cluster, row),
        host=row.node.advertised_host if is_spread else "",
        internal_port=(row.internal_port or 0) if is_spread else 0,
        quorum_port=(row.quorum_port or 0) if is_spread else 0,
        formed_as=_formed_as(cluster, row),
    )


def is_first_voter(cluster: Cluster, row: ClusterBroker) -> bool:
    """Whether it was one of those that formed the metadata quorum."""
    return row.broker_id < FIRST_VOTERS <= cluster.formed_broker_count


def _formed_as(cluster: Cluster, row: ClusterBroker) -> FormedAs | None:
    if row.formed_host is None:
        return None
    return FormedAs(
        directory_id=_directory_id(cluster, row.broker_id, 0),
        host=row.formed_host,
        quorum_port=row.formed_quorum_port or 0,
    )


def _directory_id(cluster: Cluster, broker_id: int, moves: int) -> str:
    """Of the cluster, the broker and its place, so that a second publication says the same."""
    place = f" move {moves}" if moves else ""
    return str(uuid.uuid5(cluster.id, f"broker {broker_id}{place}"))


def _turn(cluster: Cluster) -> TurnSpec | None:
    if cluster.turn_broker_id is None:
        return None
    return TurnSpec(number=cluster.turn_number, broker_id=cluster.turn_broker_id)


def _disk_bytes_max(cluster: Cluster, brokers: Sequence[ClusterBroker]) -> int:
    """Each broker's part; while the plan changes the larger one, and only with the new brokers.

    So a broker that gets peers is restarted once, not twice.
    """
    has = PLANS[cluster.plan].disk_bytes_per_broker
    if not all(row.is_member for row in brokers):
        return has
    return max(has, PLANS[cluster.addon.plan].disk_bytes_per_broker)


def _topics(session: Session, cluster: Cluster) -> list[TopicSpec]:
    found = select(Topic).where(Topic.cluster_id == cluster.id, Topic.state.in_(DESIRED_TOPICS))
    return [
        TopicSpec(
            name=topic.name,
            partition_count=topic.partition_count,
            replication_factor=topic.replication_factor,
            configs=topic.shape.configs(),
        )
        for topic in session.scalars(found.order_by(Topic.name))
    ]


def quotas_of_plan(plan: Plan) -> dict[str, float]:
    """What a plan lets each of its credentials write and read, by Kafka's names."""
    limits = {
        "producer_byte_rate": plan.produce_bytes_per_s,
        "consumer_byte_rate": plan.consume_bytes_per_s,
    }
    return {name: float(limit) for name, limit in limits.items() if limit is not None}


def _principals(session: Session, cluster: Cluster) -> list[PrincipalSpec]:
    """Clients of a cluster of their own may use every topic and group, and administer nothing."""
    granted = (
        ("TOPIC", credentials.TOPIC_OPERATIONS),
        ("GROUP", credentials.GROUP_OPERATIONS),
        ("TRANSACTIONAL_ID", credentials.TRANSACTIONAL_ID_OPERATIONS),
    )
    acls = [
        AclSpec.model_validate(
            {"resource_type": resource_type, "resource_name": "*", "operation": operation}
        )
        for resource_type, operations in granted
        for operation in operations
    ]
    quotas = quotas_of_plan(PLANS[cluster.plan])
    return [
        PrincipalSpec(name=row.principal, acls=acls, quotas=quotas)
        for row in credentials.of_cluster(session, cluster.id)
        if row.kind == "client"
    ]
