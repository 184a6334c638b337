"""How a client proves who it is: by a certificate, or by a password over TLS."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fakes.certificates import CertificateAuthority

MTLS, SCRAM_256, SCRAM_512 = "mTLS", "SCRAM-SHA-256", "SCRAM-SHA-512"
KINDS: Final = (MTLS, SCRAM_256, SCRAM_512)
USER: Final = "conformance"
PASSWORD: Final = "correct horse, battery=staple"  # , and = are escaped in SCRAM names alone


@dataclass(frozen=True, slots=True)
class Security:
    """Paths are of PEM files. A mechanism comes with the user above, mTLS with a certificate."""

    folder: Path
    kind: str

    @property
    def ca_file(self) -> str:
        return str(self.folder / "ca.crt")

    @property
    def certificate_file(self) -> str:
        return str(self.folder / "client.crt")

    @property
    def key_file(self) -> str:
        return str(self.folder / "client.key")

    @property
    def both_file(self) -> str:
        """Key and certificate in one file, as the Java clients want them."""
        return str(self.folder / "client.pem")

    @property
    def is_mtls(self) -> bool:
        return self.kind == MTLS

    def librdkafka(self) -> dict[str, str]:
        """Settings by librdkafka's names; host names are verified."""
        common = {"ssl.ca.location": self.ca_file, "ssl.endpoint.identification.algorithm": "https"}
        if self.is_mtls:
            return common | {
                "security.protocol": "ssl",
                "ssl.certificate.location": self.certificate_file,
                "ssl.key.location": self.key_file,
            }
        return common | {
            "security.protocol": "sasl_ssl",
            "sasl.mechanisms": self.kind,
            "sasl.username": USER,
            "sasl.password": PASSWORD,
        }

    def java(self) -> dict[str, str]:
        """Settings by the Java clients' names."""
        common = {"ssl.truststore.type": "PEM", "ssl.truststore.location": self.ca_file}
        if self.is_mtls:
            return common | {
                "security.protocol": "SSL",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": self.both_file,
            }
        login = "org.apache.kafka.common.security.scram.ScramLoginModule"
        return common | {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": self.kind,
            "sasl.jaas.config": f'{login} required username="{USER}" password="{PASSWORD}";',
        }

    def settings_file(self) -> Path:
        """All of it as JSON, for programs of other languages: passwords are no arguments."""
        path = self.folder / f"{self.kind}.json"
        told = {
            "ca_file": self.ca_file,
            "certificate_file": self.certificate_file if self.is_mtls else "",
            "key_file": self.key_file if self.is_mtls else "",
            "mechanism": "" if self.is_mtls else self.kind,
            "username": USER,
            "password": PASSWORD,
            "librdkafka": self.librdkafka(),
            "java": self.java(),
        }
        path.write_text(json.dumps(told))
        return path


def write_certificates(folder: Path, cluster_id: str) -> None:
    """A CA, the brokers' pair, and a client's."""
    write_client(folder, write_server(folder), cluster_id)


def write_server(folder: Path) -> CertificateAuthority:
    """The CA and the brokers' pair."""
    authority = CertificateAuthority()
    server = authority.server()
    _write(folder, "ca.crt", authority.certificate_pem)
    _write(folder, "server.crt", server.certificate_pem)
    _write(folder, "server.key", server.key_pem)
    return authority


def write_client(folder: Path, authority: CertificateAuthority, cluster_id: str) -> None:
    """The pair of a client whose principal is CN=conformance of this cluster."""
    client = authority.client(USER, cluster_id)
    _write(folder, "client.crt", client.certificate_pem)
    _write(folder, "client.key", client.key_pem)
    _write(folder, "client.pem", client.key_pem + client.certificate_pem)


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
