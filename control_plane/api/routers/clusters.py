"""The data API's clusters, where Kafka command lines of Heroku's family look them up.

404 and 410 come without `message` here: with one, those command lines fail, or wait for ever.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from control_plane.api.cluster_view import cluster_out
from control_plane.api.schemas.addons import addon_name
from control_plane.api.schemas.clusters import (
    ClusterOut,
    UpgradeAccepted,
    UpgradeWish,
    WaitStatus,
)
from control_plane.api.schemas.operations import operation_out
from control_plane.api.schemas.refusals import CLUSTER_REFUSED
from control_plane.domain.errors import Gone, NotFound
from control_plane.http.auth import AccountDep
from control_plane.http.context import ContextDep
from control_plane.http.errors import BareError
from control_plane.http.idempotency import remember
from control_plane.http.request_ids import request_id_of
from control_plane.http.units import SessionDep, TransactionRoute, UnitDep
from control_plane.http.wake import wake_after_commit
from control_plane.models import Cluster
from control_plane.services import clusters, upgrades

router = APIRouter(
    prefix="/data/kafka/v0/clusters/{cluster}",
    tags=["clusters"],
    route_class=TransactionRoute,
    responses=CLUSTER_REFUSED,
)


def cluster_of(cluster: str, account: AccountDep, session: SessionDep) -> Cluster:
    """The cluster of the path, by its add-on's id or name."""
    if len(cluster) > 300 or not cluster.isprintable():
        raise BareError("not_found")
    try:
        return clusters.get(session, account, cluster)
    except (NotFound, Gone) as error:
        raise BareError(error.id) from None


ClusterDep = Annotated[Cluster, Depends(cluster_of)]


@router.get("")
def read_cluster(cluster: ClusterDep, session: SessionDep, context: ContextDep) -> ClusterOut:
    return cluster_out(session, cluster, now=context.clock.now())


@router.get("/wait_status")
def read_wait_status(cluster: ClusterDep, session: SessionDep, context: ContextDep) -> WaitStatus:
    """Whether there is something to wait for; a failed provisioning is `error?`, with 200."""
    status = clusters.wait_status(session, cluster, now=context.clock.now())
    return WaitStatus(
        is_waiting=status.is_waiting,
        is_error=status.is_failed,
        is_healthy=status.is_healthy,
        message=status.message,
    )


@router.put("/upgrade", status_code=202, dependencies=[Depends(remember)])
def upgrade_cluster(
    cluster: ClusterDep,
    body: UpgradeWish,
    session: SessionDep,
    unit: UnitDep,
    context: ContextDep,
    request: Request,
    response: Response,
) -> UpgradeAccepted:
    """Bring the brokers to the software of their nodes, one at a time; the cluster serves on."""
    operation = upgrades.begin(
        session,
        cluster,
        version=body.version,
        now=context.clock.now(),
        request_id=request_id_of(request.scope),
    )
    wake_after_commit(unit, operation)
    if operation is None:
        version = upgrades.chosen(cluster)
        message = f"{cluster.addon.name} runs {version} already."
        return UpgradeAccepted(message=message, version=version, operation=None)
    response.headers["Location"] = f"/operations/{operation.id}"
    version = operation.input["after"]
    return UpgradeAccepted(
        message=f"{cluster.addon.name} is being upgraded to {version}.",
        version=version,
        operation=operation_out(operation, addon_name(cluster.addon)),
    )
