"""Postgres gone: 503 with Retry-After, in JSON or as a page; back again: served without restart."""

import httpx
import psycopg

from control_plane.local.postgres import EmbeddedPostgres
from tests.conftest import migrated
from tests.factories import rows as make
from tests.fakes.service import serving


def test_an_outage_is_told_and_survived(postgres: EmbeddedPostgres, migrated_template: str) -> None:
    """On a database that no other test will use: half way through it takes nobody in."""
    database_url = migrated(postgres, migrated_template)
    name = database_url.rpartition("/")[2]
    with serving(database_url) as service:
        with service.sessions.begin() as session:
            token = make.tenant(session, "anna@example.test").token
        with (
            service.client(token) as client,
            psycopg.connect(postgres.url, autocommit=True) as admin,
        ):
            assert client.get("/account").status_code == 200
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            for path in ("/account", "/healthz"):
                refused = client.get(path)
                assert refused.status_code == 503
                assert refused.json()["id"] == "unavailable"
                assert int(refused.headers["retry-after"]) > 0
            page = httpx.get(
                f"{service.url}/sign-in", headers={"Accept": "text/html"}, follow_redirects=True
            )
            assert page.status_code == 200  # needs no database
            fleet = httpx.get(
                f"{service.url}/",
                headers={"Accept": "text/html", "Cookie": f"ottla_session={token}"},
            )
            assert fleet.status_code == 503
            assert "text/html" in fleet.headers["content-type"]
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            assert client.get("/account").status_code == 200
