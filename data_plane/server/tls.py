"""TLS of a listener: our certificate; client certificates demanded and checked (mTLS).

A listener that authenticates by SASL asks for a certificate only if it has a CA to check it by.
"""

import ssl

from data_plane.broker.config import TlsConfig


class TlsRefused(Exception):
    """A certificate, key or trust file cannot be used; the text names the file."""


def server_context(tls: TlsConfig, *, asks_certificate: bool = True) -> ssl.SSLContext:
    """A context of TLS 1.2 and up that lets in only clients with a certificate of our CA.

    asks_certificate: False where SASL proves who the client is; a given CA is obeyed even then.
    Raises TlsRefused.
    """
    if tls.client_ca_file is None and asks_certificate:
        raise TlsRefused("client_ca_file is missing: without it or sasl anybody would be let in")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(tls.certificate_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise TlsRefused(f"certificate {tls.certificate_file} or its key: {error}") from error
    if tls.client_ca_file is None:
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        context.load_verify_locations(cafile=tls.client_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise TlsRefused(f"client CA {tls.client_ca_file}: {error}") from error
    return context
