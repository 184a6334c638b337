"""InitProducerId over the wire: fresh ids, and who may have one (item 90, KIP-679)."""

import pytest

from data_plane.broker.handlers import init_producer_id
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.init_producer_id import InitProducerIdRequest
from data_plane.security.acls import AclOperation
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE, StandIn


@pytest.mark.parametrize("version", init_producer_id.VERSIONS)
def test_every_version_gets_a_fresh_id_at_epoch_0(version: int) -> None:
    broker = StandIn()
    told = [broker.ask(InitProducerIdRequest(), version) for _ in range(3)]
    assert [(row.error_code, row.producer_id, row.producer_epoch) for row in told] == [
        (0, 0, 0),
        (0, 1, 0),
        (0, 2, 0),
    ]


def test_item_90_write_on_any_topic_or_idempotent_write_is_needed() -> None:
    broker = StandIn()
    response = broker.ask(InitProducerIdRequest(), 5, principal=ALICE)
    assert response.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    assert response.producer_id == -1
    broker.allow(AclOperation.WRITE, "flights")
    assert broker.ask(InitProducerIdRequest(), 5, principal=ALICE).error_code == 0
    other = StandIn()
    other.allow_cluster(AclOperation.IDEMPOTENT_WRITE)
    assert other.ask(InitProducerIdRequest(), 5, principal=ALICE).error_code == 0


def test_a_transactional_id_needs_write_on_it() -> None:
    denied = StandIn().ask(InitProducerIdRequest("tx-1"), 5, principal=ALICE)
    assert denied.error_code == ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert (denied.producer_id, denied.producer_epoch) == (-1, -1)
