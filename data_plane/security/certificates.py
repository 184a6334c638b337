"""From a verified peer certificate to a principal.

TLS has already proved that the certificate was issued by a CA of this cluster and is in date;
the organization is compared again, so that one mistaken trust file does not let the clients of
one cluster into another (durability.md 8).
"""

from collections.abc import Mapping

from data_plane.security.principals import client_principal

_COMMON_NAME = "commonName"
_ORGANIZATION = "organizationName"


class ForeignCertificate(Exception):
    """The certificate is not one this cluster gave to a client; the connection is to be closed."""


def principal_from_certificate(peer: Mapping[str, object] | None, *, cluster_id: str) -> str:
    """Return `User:CN=<credential id>,O=<cluster id>` for a certificate of this cluster.

    peer: what `ssl.SSLObject.getpeercert()` returns: its "subject" is a tuple of RDNs, each a tuple
    of (attribute, value). Raises ForeignCertificate for no certificate, another cluster's, or a
    subject without exactly one common name, printable, and one organization.
    """
    attributes = _subject(peer)
    names = [value for attribute, value in attributes if attribute == _COMMON_NAME]
    organizations = [value for attribute, value in attributes if attribute == _ORGANIZATION]
    if len(names) != 1 or not names[0]:
        raise ForeignCertificate("client certificate names no single credential")
    if not names[0].isprintable():
        raise ForeignCertificate("client certificate names a credential that cannot be shown")
    if organizations != [cluster_id]:
        raise ForeignCertificate("client certificate belongs to another cluster")
    return client_principal(names[0], cluster_id)


def _subject(peer: Mapping[str, object] | None) -> list[tuple[str, str]]:
    subject = peer.get("subject") if peer else None
    if not isinstance(subject, tuple):
        raise ForeignCertificate("no client certificate was presented")
    return [
        (str(attribute), str(value))
        for relative_name in subject
        for attribute, value in relative_name
    ]
