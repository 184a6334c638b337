"""End certificates of a cluster: brokers, clients, and the agents' admin identities."""

import datetime as dt
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from control_plane.pki import ca as authorities
from control_plane.pki.ca import CertificateAuthority

BROKER_LIFE = dt.timedelta(days=3650)  # as its CA's: a silent broker must not expire (C7)
CLIENT_LIFE = dt.timedelta(days=3650)
# What every broker answers to besides its advertised host (durability.md 8).
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key, both PEM."""

    certificate_pem: str
    key_pem: bytes
    not_after: dt.datetime


def issue_broker(
    ca: CertificateAuthority,
    *,
    cluster_id: str,
    broker_id: int,
    advertised_hosts: Iterable[str],
    now: dt.datetime,
) -> Issued:
    """Issue a server certificate whose names are those that clients use, so that they verify."""
    names = list(dict.fromkeys([*advertised_hosts, *LOOPBACK_NAMES]))
    return _issue(
        ca,
        authorities.distinguished_name(f"broker-{broker_id}", cluster_id),
        x509.SubjectAlternativeName([_general_name(name) for name in names]),
        # A broker is a client of its peers too.
        [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
        now=now,
        life=BROKER_LIFE,
    )


def issue_client(
    ca: CertificateAuthority, *, cluster_id: str, credential_id: str, now: dt.datetime
) -> Issued:
    """Issue a client certificate; its names are the principal (see `principal`)."""
    subject = authorities.distinguished_name(credential_id, cluster_id)
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    return _issue(ca, subject, None, usages, now=now, life=CLIENT_LIFE)


def principal(credential_id: str, cluster_id: str) -> str:
    """Return what brokers call the holder of a client certificate (durability.md 8)."""
    return f"User:CN={credential_id},O={cluster_id}"


def _issue(
    ca: CertificateAuthority,
    subject: x509.Name,
    names: x509.SubjectAlternativeName | None,
    usages: list[x509.ObjectIdentifier],
    *,
    now: dt.datetime,
    life: dt.timedelta,
) -> Issued:
    key, ca_certificate = ec.generate_private_key(ec.SECP256R1()), ca.certificate
    # Nothing outlives its CA, or a verifier would trust it no longer while it reads as valid.
    life = min(life, ca_certificate.not_valid_after_utc - now)
    ca_key_id = ca_certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    builder = (
        authorities.builder(subject, ca_certificate.subject, key.public_key(), now=now, life=life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(authorities.key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_key_id.value),
            critical=False,
        )
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(ca.key, hashes.SHA256())
    return Issued(
        authorities.certificate_pem(certificate),
        authorities.private_key_pem(key),
        certificate.not_valid_after_utc,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
