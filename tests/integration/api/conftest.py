"""A running service with two tenants who must never learn of each other."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.factories import rows as make
from tests.fakes.service import Service, serving


@pytest.fixture
def service(database_url: str) -> Iterator[Service]:
    with serving(database_url) as running:
        yield running


@dataclass(frozen=True, slots=True)
class World:
    """Anna owns the app `flights` with an available add-on and a topic; Bert owns nothing."""

    service: Service
    anna: httpx.Client
    bert: httpx.Client
    anna_token: str
    bert_token: str
    addon_id: str
    app_id: str


@pytest.fixture
def world(service: Service) -> Iterator[World]:
    with service.sessions.begin() as session:
        anna = make.tenant(session, "anna@example.test")
        bert = make.tenant(session, "bert@example.test")
        flights = make.app(session, anna.account, "flights")
        addon = make.addon(session, flights, "kafka-calm-1000")
        cluster = make.available(session, addon, make.node(session))
        make.topic(session, cluster, "departures")
    with service.client(anna.token) as as_anna, service.client(bert.token) as as_bert:
        yield World(
            service,
            as_anna,
            as_bert,
            anna.token,
            bert.token,
            str(addon.id),
            str(flights.id),
        )
