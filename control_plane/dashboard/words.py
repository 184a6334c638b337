"""States and operations in words for people."""

from control_plane.dashboard.views import State, state
from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.health import Health
from control_plane.domain.states import AddonState, OperationState, TopicState
from control_plane.models import Addon, Cluster

_CLUSTER = {
    ClusterState.CREATING: state("Creating", "busy"),
    ClusterState.AVAILABLE: state("Available", "ok"),
    ClusterState.UPDATING: state("Updating", "busy"),
    ClusterState.DELETING: state("Deleting", "busy"),
    ClusterState.DELETED: state("Deleted", "off"),
}
_TOPIC = {
    TopicState.CREATING: state("Creating", "busy"),
    TopicState.AVAILABLE: state("Available", "ok"),
    TopicState.UPDATING: state("Updating", "busy"),
    TopicState.DELETING: state("Deleting", "busy"),
    TopicState.DELETED: state("Deleted", "off"),
    TopicState.FAILED: state("Failed", "bad"),
}
_OPERATION = {
    OperationState.PENDING: state("Waiting", "off"),
    OperationState.RUNNING: state("Running", "busy"),
    OperationState.UNWINDING: state("Undoing", "warn"),
    OperationState.SUCCEEDED: state("Done", "ok"),
    OperationState.FAILED: state("Failed", "bad"),
    OperationState.CANCELLED: state("Cancelled", "off"),
}
_PHASE = {
    "pending": state("Pending", "off"),
    "starting": state("Starting", "busy"),
    "ready": state("Ready", "ok"),
    "draining": state("Draining", "busy"),
    "failed": state("Failed", "bad"),
    "absent": state("Absent", "off"),
}
NOT_REPORTING = state("Not reporting", "warn")
STUCK = state("Stuck", "warn")
_TITLES = {
    "provision_cluster": "Provision the cluster",
    "deprovision_cluster": "Remove the cluster",
    "change_plan": "Change the plan to",
    "create_topic": "Create topic",
    "alter_topic": "Change topic",
    "delete_topic": "Delete topic",
}


def cluster_state(addon: Addon, cluster: Cluster, health: Health, *, is_stuck: bool) -> State:
    """The state word, with health where the state alone says too little."""
    if addon.state == AddonState.FAILED:
        return state("Failed", "bad")
    if is_stuck:
        return STUCK
    if cluster.state == ClusterState.AVAILABLE and health is Health.DEGRADED:
        return state("Degraded", "warn")
    if cluster.state == ClusterState.AVAILABLE and health is Health.UNKNOWN:
        return NOT_REPORTING
    return _CLUSTER[ClusterState(cluster.state)]


def topic_state(text: str) -> State:
    return _TOPIC[TopicState(text)]


def operation_state(text: str) -> State:
    return _OPERATION[OperationState(text)]


def broker_phase(text: str) -> State:
    return _PHASE.get(text, state(text.capitalize(), "off"))


def operation_title(kind: str, topic_name: str | None) -> str:
    title = _TITLES.get(kind, kind.replace("_", " ").capitalize())
    return f"{title} {topic_name}" if topic_name else title


def step_words(name: str) -> str:
    return name.replace("_", " ").capitalize()
