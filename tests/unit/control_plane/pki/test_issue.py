"""Certificates as the TLS library of every client sees them."""

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from control_plane.pki import issue
from control_plane.pki.ca import CertificateAuthority, mint_cluster_ca
from control_plane.pki.issue import Issued

NOW = dt.datetime.now(dt.UTC)
CLUSTER, OTHER_CLUSTER = "0198-cluster", "0198-other"


@pytest.fixture(scope="module")
def ca() -> CertificateAuthority:
    return mint_cluster_ca(CLUSTER, now=NOW)


def broker(ca: CertificateAuthority, *hosts: str) -> Issued:
    return issue.issue_broker(ca, cluster_id=CLUSTER, broker_id=0, advertised_hosts=hosts, now=NOW)


def parsed(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate_pem.encode())


class Side:
    """One end of a TLS conversation in memory."""

    def __init__(self, context: ssl.SSLContext, hostname: str | None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(
            self.incoming, self.outgoing, server_side=hostname is None, server_hostname=hostname
        )


def context_of(side: int, issued: Issued, ca_pem: str, folder: Path) -> ssl.SSLContext:
    """Make a context that shows `issued` and trusts `ca_pem` alone, with full verification."""
    context = ssl.SSLContext(side)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=ca_pem)
    certificate, key = folder / f"{side}.pem", folder / f"{side}.key"
    certificate.write_text(issued.certificate_pem)
    key.write_bytes(issued.key_pem)
    context.load_cert_chain(certificate, key)
    return context


def handshake(
    server: Issued, client: Issued, server_ca: str, client_ca: str, host: str, folder: Path
) -> str:
    """Shake hands; returns the subject the server saw. Raises ssl.SSLError where either refuses."""
    near = Side(context_of(ssl.PROTOCOL_TLS_CLIENT, client, server_ca, folder), host)
    far = Side(context_of(ssl.PROTOCOL_TLS_SERVER, server, client_ca, folder), None)
    done: set[Side] = set()
    for _ in range(10):
        for side, other in ((near, far), (far, near)):
            try:
                side.object.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
            other.incoming.write(side.outgoing.read())
    assert done == {near, far}
    certificate = far.object.getpeercert()
    assert certificate
    return str(certificate["subject"])


@pytest.mark.parametrize("host", ["kafka.example.com", "127.0.0.1", "localhost", "::1"])
def test_brokers_and_clients_verify_each_other(
    host: str, ca: CertificateAuthority, tmp_path: Path
) -> None:
    client = issue.issue_client(ca, cluster_id=CLUSTER, credential_id="cred-1", now=NOW)
    pem = ca.certificate_pem
    seen = handshake(broker(ca, "kafka.example.com"), client, pem, pem, host, tmp_path)
    assert "cred-1" in seen
    assert CLUSTER in seen


def test_another_host_name_is_refused(ca: CertificateAuthority, tmp_path: Path) -> None:
    client = issue.issue_client(ca, cluster_id=CLUSTER, credential_id="cred-1", now=NOW)
    pem = ca.certificate_pem
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(broker(ca, "10.0.0.1"), client, pem, pem, "kafka.example.com", tmp_path)


def test_a_client_of_another_cluster_is_refused(ca: CertificateAuthority, tmp_path: Path) -> None:
    other = mint_cluster_ca(OTHER_CLUSTER, now=NOW)
    client = issue.issue_client(other, cluster_id=OTHER_CLUSTER, credential_id="x", now=NOW)
    pem = ca.certificate_pem
    with pytest.raises(ssl.SSLError):
        handshake(broker(ca, "10.0.0.1"), client, pem, pem, "localhost", tmp_path)


def test_a_client_certificate_cannot_play_broker(ca: CertificateAuthority, tmp_path: Path) -> None:
    client = issue.issue_client(ca, cluster_id=CLUSTER, credential_id="cred-1", now=NOW)
    pem = ca.certificate_pem
    with pytest.raises(ssl.SSLError):
        handshake(client, client, pem, pem, "localhost", tmp_path)


def test_names_and_uses(ca: CertificateAuthority) -> None:
    certificate = parsed(broker(ca, "10.1.2.3", "127.0.0.1"))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["10.1.2.3", "127.0.0.1", "::1"]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.SERVER_AUTH in usage
    client = parsed(issue.issue_client(ca, cluster_id=CLUSTER, credential_id="c", now=NOW))
    usage = client.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_the_subject_is_the_principal(ca: CertificateAuthority) -> None:
    """RFC 2253 writes the last name first, as Kafka's principals are written."""
    client = parsed(issue.issue_client(ca, cluster_id=CLUSTER, credential_id="cred-1", now=NOW))
    assert f"User:{client.subject.rfc4514_string()}" == issue.principal("cred-1", CLUSTER)
    assert issue.principal("cred-1", CLUSTER) == "User:CN=cred-1,O=0198-cluster"


def test_a_ca_signs_ends_only_and_nothing_outlives_it(ca: CertificateAuthority) -> None:
    constraints = ca.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    late = NOW + dt.timedelta(days=3000)
    issued = issue.issue_client(ca, cluster_id=CLUSTER, credential_id="c", now=late)
    assert issued.not_after == ca.certificate.not_valid_after_utc


def test_two_cas_differ() -> None:
    one, other = mint_cluster_ca(CLUSTER, now=NOW), mint_cluster_ca(CLUSTER, now=NOW)
    assert one.key_pem != other.key_pem
    assert one.certificate.serial_number != other.certificate.serial_number
