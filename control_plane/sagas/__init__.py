"""Sagas: durable changes as idempotent steps; the table maps kinds to programs."""

from control_plane.sagas.change_plan import CHANGE_PLAN
from control_plane.sagas.change_topics import ALTER_TOPIC, CREATE_TOPIC, DELETE_TOPIC
from control_plane.sagas.deprovision_cluster import DEPROVISION_CLUSTER
from control_plane.sagas.engine import Saga
from control_plane.sagas.provision_cluster import PROVISION_CLUSTER
from control_plane.sagas.replace_node import REPLACE_NODE
from control_plane.sagas.upgrade_cluster import UPGRADE_CLUSTER
from control_plane.services import operations

SAGAS: dict[str, Saga] = {
    operations.PROVISION: PROVISION_CLUSTER,
    operations.DEPROVISION: DEPROVISION_CLUSTER,
    operations.CHANGE_PLAN: CHANGE_PLAN,
    operations.CREATE_TOPIC: CREATE_TOPIC,
    operations.ALTER_TOPIC: ALTER_TOPIC,
    operations.DELETE_TOPIC: DELETE_TOPIC,
    operations.UPGRADE: UPGRADE_CLUSTER,
    operations.REPLACE_NODE: REPLACE_NODE,
}
