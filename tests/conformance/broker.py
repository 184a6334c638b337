"""The broker under test: one listener for everybody on loopback, one each for mTLS and SASL."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.conformance.place import Death
from tests.conformance.security import MTLS, PASSWORD, USER, Security, write_certificates
from tests.integration.data_plane.broker_process import BrokerProcess, free_port

CLUSTER_ID = "0f1e2d3c-4b5a-4678-9abc-def012345678"
SESSION_MS = 3_000  # of SASL: a member outlives several within a scenario
SECONDS_MAX = 20.0
STATIC_CONFIGS = {
    "connections.max.reauth.ms": str(SESSION_MS),
    # A client that cannot prove itself anew must get through a join in one session.
    "group.initial.rebalance.delay.ms": "500",
}


class ConformanceBroker:
    """Started by the constructor, in `folder`; `stop` ends it."""

    replicas = 1
    kills = 0
    deaths: Sequence[Death] = ()

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {kind: free_port() for kind in ("SSL", "SASL_SSL")}
        write_certificates(folder, CLUSTER_ID)
        config = folder / "broker.json"
        config.write_text(json.dumps(self._config()))
        self._process = BrokerProcess("--config", str(config), port=None)
        self.address = self._process.address
        admit_user(self.address, CLUSTER_ID)

    def begin_killing(self) -> None:
        """One broker alone is never killed."""

    def stop(self) -> int:
        """Returns the exit code."""
        return self._process.stop()

    def secured(self, kind: str) -> tuple[str, Security]:
        """Address and proof for clients of this kind (security.py)."""
        port = self._ports[listener_of(kind)]
        return f"localhost:{port}", Security(self._folder, kind)

    def _config(self) -> dict[str, object]:
        return {
            "data_dir": str(self._folder / "data"),
            "cluster_id": CLUSTER_ID,
            "auto_create_topics": True,
            "super_users": ["User:ANONYMOUS"],
            "static_configs": STATIC_CONFIGS,
            "listeners": [{"name": "PLAINTEXT"}, *secured_listeners(self._folder, self._ports)],
        }


def listener_of(kind: str) -> str:
    """Which listener is for clients of this kind (security.py)."""
    return "SSL" if kind == MTLS else "SASL_SSL"


def secured_listeners(folder: Path, ports: Mapping[str, int]) -> list[dict[str, object]]:
    """One for certificates and one for passwords, with what write_certificates left in `folder`."""
    pair = {
        "certificate_file": str(folder / "server.crt"),
        "key_file": str(folder / "server.key"),
    }
    ca = {"client_ca_file": str(folder / "ca.crt")}
    sasl = {"mechanisms": ["SCRAM-SHA-256", "SCRAM-SHA-512"]}
    fields: dict[str, dict[str, object]] = {
        "SSL": {"tls": {**pair, **ca}},
        "SASL_SSL": {"tls": pair, "sasl": sasl},
    }
    return [
        {"name": name, "port": ports[name], "advertised_host": "localhost", **more}
        for name, more in fields.items()
    ]


def admit_user(address: str, cluster_id: str) -> None:
    """The user's password by both mechanisms; its rights, and the certificate's, by ACLs."""
    admin = AdminClient({"bootstrap.servers": address})
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        info = ScramCredentialInfo(mechanism, 4096)
        upsertion = UserScramCredentialUpsertion(USER, info, PASSWORD.encode())
        admin.alter_user_scram_credentials([upsertion])[USER].result(SECONDS_MAX)
    bindings = [
        AclBinding(
            kind,
            "*",
            ResourcePatternType.LITERAL,
            principal,
            "*",
            AclOperation.ALL,
            AclPermissionType.ALLOW,
        )
        for kind in (ResourceType.TOPIC, ResourceType.GROUP)
        for principal in (f"User:{USER}", f"User:CN={USER},O={cluster_id}")
    ]
    for future in admin.create_acls(bindings).values():
        future.result(SECONDS_MAX)
