"""What a control plane has come to, without ids, times and keys: equal runs compare equal."""

from typing import Any

from sqlalchemy.orm import Session

from control_plane.models import (
    Addon,
    Attachment,
    Cluster,
    ClusterBroker,
    ClusterSpecRow,
    ConfigVar,
    Credential,
    Event,
    Operation,
    PlanInterval,
    StepRun,
    Topic,
)
from tests.factories.control_plane import World


def snapshot(world: World) -> dict[str, Any]:
    """Everything a crash could leave different, and what the agent runs."""
    with world.sessions() as session:
        return {**_rows(session), "agent": _agent(world)}


def _rows(session: Session) -> dict[str, Any]:
    return {
        "addons": sorted(
            (row.plan, row.state, row.deleted_at is None) for row in session.query(Addon)
        ),
        "clusters": sorted(
            (
                *(row.plan, row.state, row.peers, row.turn_number),
                *(row.ca_key_sealed is None, row.deleted_at is None, row.spec_generation),
            )
            for row in session.query(Cluster)
        ),
        "brokers": sorted(
            (row.broker_id, row.port, row.phase, row.is_member, row.internal_port)
            for row in session.query(ClusterBroker)
        ),
        "credentials": sorted(
            (row.kind, row.revoked_at is None, row.key_sealed is None)
            for row in session.query(Credential)
        ),
        "attachments": sorted(row.name for row in session.query(Attachment)),
        "config_vars": sorted(row.name for row in session.query(ConfigVar)),
        "topics": sorted(
            (row.name, row.state, row.retention_ms, row.replication_factor)
            for row in session.query(Topic)
        ),
        "intervals": sorted(
            (row.plan, row.ended_at is None, row.started_at == row.ended_at)
            for row in session.query(PlanInterval)
        ),
        "shares": sorted(row.document["desired"] for row in session.query(ClusterSpecRow)),
        "operations": sorted((row.kind, row.state) for row in session.query(Operation)),
        "steps": sorted((row.name, row.direction, row.note) for row in session.query(StepRun)),
        "events": sorted(row.type for row in session.query(Event)),
    }


def _agent(world: World) -> list[Any]:
    if world.agent.spec is None:
        return []
    return [
        (cluster.desired, len(cluster.brokers), [topic.name for topic in cluster.topics])
        for cluster in world.agent.spec.clusters
    ]
