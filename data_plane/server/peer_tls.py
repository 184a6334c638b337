"""TLS between brokers on different nodes: both ends show a certificate of the cluster's CA."""

import ssl

from data_plane.broker.config import TlsConfig
from data_plane.server.tls import TlsRefused, server_context


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
