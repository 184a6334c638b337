"""TLS between brokers on different nodes: both ends show a certificate of the cluster's CA."""

import re
import ssl
from collections.abc import Iterable, Mapping
from typing import Final

from data_plane.broker.config import TlsConfig
from data_plane.security.certificates import ForeignCertificate, principal_from_certificate
from data_plane.server.tls import TlsRefused, server_context

BROKER_NAME: Final = re.compile(r"User:CN=broker-(\d+),O=.*")


def peer_contexts(
    tls: TlsConfig | None,
) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """(server, client) contexts with the same certificate; (None, None) on one node.

    Raises TlsRefused.
    """
    if tls is None:
        return None, None
    if tls.client_ca_file is None:
        raise TlsRefused("client_ca_file is missing: brokers are known by their certificates")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        client.load_cert_chain(tls.certificate_file, tls.key_file)
        client.load_verify_locations(cafile=tls.client_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise TlsRefused(f"certificate {tls.certificate_file} or its CA: {error}") from error
    return server_context(tls), client


def reload_contexts(tls: TlsConfig | None, contexts: Iterable[ssl.SSLContext | None]) -> None:
    """Have the contexts of `peer_contexts` use what the files hold now, for handshakes from now on.

    A server keeps the context that it was opened with, so these are changed in place. A CA that the
    files do not name any more is trusted until the process ends. Raises TlsRefused; then what was
    there stays in force.
    """
    if tls is None:
        return
    peer_contexts(tls)  # All of it can be used: a context is not left with half of it.
    for context in contexts:
        if context is not None:
            context.load_cert_chain(tls.certificate_file, tls.key_file)
            context.load_verify_locations(cafile=tls.client_ca_file)


def check_broker_certificate(peer: Mapping[str, object] | None, cluster_id: str) -> None:
    """Raise ForeignCertificate unless a verified certificate was made for a broker.

    Brokers' certificates name hosts, clients' do not; so no credential's name makes it a broker.
    """
    principal = principal_from_certificate(peer, cluster_id=cluster_id)
    if BROKER_NAME.fullmatch(principal) is None or not (peer or {}).get("subjectAltName"):
        raise ForeignCertificate(f"{principal} is no broker")
