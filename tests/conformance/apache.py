"""Apache Kafka's own broker in the place of ours: what it fails as well is no deviation of ours."""

from collections.abc import Sequence
from pathlib import Path

from tests.conformance.apache_process import ApacheProcess
from tests.conformance.broker import CLUSTER_ID, STATIC_CONFIGS, admit_user, listener_of
from tests.conformance.place import Death
from tests.conformance.security import Security, write_certificates
from tests.integration.data_plane.broker_process import free_port


class ApacheBroker:
    """Started by the constructor, in `folder`, with the listeners and settings of ours."""

    replicas = 1
    kills = 0
    deaths: Sequence[Death] = ()

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        hosts = {"PLAINTEXT": "127.0.0.1", "SSL": "localhost", "SASL_SSL": "localhost"}
        self._listeners = {name: f"{host}:{free_port()}" for name, host in hosts.items()}
        self.address = self._listeners["PLAINTEXT"]
        write_certificates(folder, CLUSTER_ID)
        self._process = ApacheProcess(folder, self._listeners, secured(folder))
        try:
            admit_user(self.address, CLUSTER_ID)
        except BaseException:
            self._process.kill()
            raise

    def begin_killing(self) -> None:
        """One broker alone is never killed."""

    def stop(self) -> int:
        """Returns the exit code."""
        return self._process.stop()

    def secured(self, kind: str) -> tuple[str, Security]:
        """Address and proof for clients of this kind (security.py)."""
        return self._listeners[listener_of(kind)], Security(self._folder, kind)


def secured(folder: Path) -> dict[str, str]:
    """Properties: who may come in by what, with what write_certificates left in `folder`."""
    pair = folder / "server.pem"
    pair.write_text((folder / "server.key").read_text() + (folder / "server.crt").read_text())
    pair.chmod(0o600)
    mechanisms = ("SCRAM-SHA-256", "SCRAM-SHA-512")
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {
        **STATIC_CONFIGS,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(pair),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.crt"),
        "listener.name.ssl.ssl.client.auth": "required",
        "listener.name.sasl_ssl.ssl.client.auth": "none",
        "sasl.enabled.mechanisms": ",".join(mechanisms),
        **{f"listener.name.sasl_ssl.{one.lower()}.sasl.jaas.config": login for one in mechanisms},
    }
