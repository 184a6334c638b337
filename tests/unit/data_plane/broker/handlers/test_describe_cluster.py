"""DescribeCluster over the wire."""

import pytest

from data_plane.broker.handlers import describe_cluster
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.describe_cluster import (
    CONTROLLERS,
    OPERATIONS_UNKNOWN,
    DescribeClusterRequest,
)
from data_plane.security.acls import AclOperation
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE, StandIn


@pytest.mark.parametrize("version", describe_cluster.VERSIONS)
def test_every_version_tells_the_cluster_by_the_listener_used(version: int) -> None:
    response = StandIn().ask(DescribeClusterRequest(), version, principal=ALICE)
    assert (response.error_code, response.cluster_id, response.controller_id) == (0, "c1", 1)
    (row,) = response.brokers
    assert (row.broker_id, row.host, row.port) == (1, "broker-1.test", 9001)
    inside = StandIn().ask(DescribeClusterRequest(), version, listener="INTERNAL")
    assert inside.brokers[0].host == "10.0.0.1"


@pytest.mark.semantics("92a")
def test_item_92_operations_only_when_asked_and_only_if_they_may_be_known() -> None:
    broker = StandIn()
    asked = DescribeClusterRequest(include_cluster_authorized_operations=True)
    silent = broker.ask(DescribeClusterRequest(), 1)
    assert silent.cluster_authorized_operations == OPERATIONS_UNKNOWN
    assert broker.ask(asked, 1, principal=ALICE).cluster_authorized_operations == 0
    broker.allow_cluster(AclOperation.ALTER)
    told = broker.ask(asked, 1, principal=ALICE).cluster_authorized_operations
    assert told == 1 << AclOperation.ALTER | 1 << AclOperation.DESCRIBE


@pytest.mark.parametrize(
    ("endpoint_type", "code"),
    [(CONTROLLERS, ErrorCode.MISMATCHED_ENDPOINT_TYPE), (9, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE)],
)
def test_other_endpoints_are_not_here(endpoint_type: int, code: ErrorCode) -> None:
    response = StandIn().ask(DescribeClusterRequest(endpoint_type=endpoint_type), 1)
    assert response.error_code == code
    assert not response.brokers
