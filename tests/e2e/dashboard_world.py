"""A furnished service for the dashboard's tests: clusters in every state, an hour of traffic."""

import datetime as dt
from dataclasses import dataclass

from control_plane.domain.states import AddonState
from control_plane.models import Cluster, Node
from control_plane.services import topics
from tests.factories import rows as make
from tests.fakes.service import Service

EMAIL = "anna@example.test"
HOSTILE = "<img src=x onerror=alert(1)>"


@dataclass(frozen=True, slots=True)
class Furnished:
    service: Service
    token: str
    cluster: Cluster  # of the add-on kafka-calm-1000, available, with traffic
    host: Node


def furnish(service: Service) -> Furnished:
    with service.sessions.begin() as session:
        anna = make.tenant(session, EMAIL, password=make.PASSWORD)
        host = make.node(session)
        flights = make.app(session, anna.account, "flights")
        addon = make.addon(session, flights, "kafka-calm-1000")
        cluster = make.available(session, addon, host, age=dt.timedelta(days=3))
        make.topic(session, cluster, "departures", size_bytes=734_003_200)
        make.topic(session, cluster, "arrivals", partitions=16, size_bytes=129_761_280)
        make.topic(session, cluster, "crew.rosters", partitions=4, size_bytes=48_128)
        made, _ = topics.create(session, cluster, name="gate-changes", now=make.now())
        made.error = HOSTILE
        sequence = make.traffic(
            session,
            cluster,
            host,
            minutes=60,
            bytes_per_s=1_480_000,
            topic_names=("departures", "arrivals"),
            first_sequence=1,
            silent_minutes=(21, 22, 23, 24),
        )
        shop = make.app(session, anna.account, "webshop")
        quiet = make.addon(session, shop, "kafka-amber-2041")
        idle = make.available(session, quiet, host, age=dt.timedelta(minutes=20))
        make.traffic(session, idle, host, minutes=20, bytes_per_s=9_400, first_sequence=sequence)
        failed = make.addon(session, shop, "kafka-steep-3307")
        failed.state = AddonState.FAILED
        failed.state_reason = "No node has a free port: 1000 brokers are the most on node-1."
        make.addon(session, shop, "kafka-early-4410")
    return Furnished(service, anna.token, cluster, host)
