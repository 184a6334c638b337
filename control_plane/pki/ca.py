"""Certificate authorities: one per cluster, and the service's own.

P-256 keys: small, quick to verify in a handshake, and known to every client's TLS library.
"""

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

CA_LIFE = dt.timedelta(days=3650)
# Certificates begin in the past: a node whose clock is behind must still find them valid.
CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A CA's certificate and private key, both PEM; the key is never stored like this."""

    certificate_pem: str
    key_pem: bytes

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate_pem.encode())

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        key = load_pem_private_key(self.key_pem, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key


def mint(common_name: str, organization: str, *, now: dt.datetime) -> CertificateAuthority:
    """Make a self-signed CA that may sign end certificates only (path length 0).

    organization: the cluster's id, or a name for the service CA. Both at most 64 characters.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = distinguished_name(common_name, organization)
    certificate = (
        builder(subject, subject, key.public_key(), now=now, life=CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return CertificateAuthority(certificate_pem(certificate), private_key_pem(key))


def mint_cluster_ca(cluster_id: str, *, now: dt.datetime) -> CertificateAuthority:
    """Make the CA that signs one cluster's brokers and clients, and nothing else."""
    return mint("Ottla cluster CA", cluster_id, now=now)


def builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    *,
    now: dt.datetime,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    """Begin a certificate: names, a random serial, validity, and the subject key's identifier."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def distinguished_name(common_name: str, organization: str) -> x509.Name:
    """Return O=<organization>, CN=<common name>, which RFC 2253 prints as CN=...,O=..."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def private_key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS#8, which OpenSSL, Java and librdkafka all read."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
