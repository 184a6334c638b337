"""SQLAlchemy models; importing this package fills `Base.metadata`."""

from control_plane.models.accounts import Account, ApiToken
from control_plane.models.addons import Addon, Attachment, ConfigVar
from control_plane.models.apps import App
from control_plane.models.clusters import Cluster, ClusterBroker
from control_plane.models.credentials import Credential
from control_plane.models.events import Event
from control_plane.models.idempotency import IdempotencyRecord
from control_plane.models.metrics import MetricSampleRow
from control_plane.models.nodes import Node, NodeNonce, NodeToken
from control_plane.models.operations import Operation, StepRun
from control_plane.models.specs import ClusterSpecRow, NodeSpecRow
from control_plane.models.topics import Topic
from control_plane.models.usage import PlanInterval

__all__ = [
    "Account",
    "Addon",
    "ApiToken",
    "App",
    "Attachment",
    "Cluster",
    "ClusterBroker",
    "ClusterSpecRow",
    "ConfigVar",
    "Credential",
    "Event",
    "IdempotencyRecord",
    "MetricSampleRow",
    "Node",
    "NodeNonce",
    "NodeSpecRow",
    "NodeToken",
    "Operation",
    "PlanInterval",
    "StepRun",
    "Topic",
]
