"""kafka-python's sockets, closed when it drops them.

Version 3.0.12 drops a socket whose connection was refused (net/inet.py, `sock_connect`), or whose
TLS handshake was cut off, without closing it. Python then warns in whichever test collects it,
maybe a later one of another file. A filter for that warning would hide sockets that Ottla leaves
open.
"""

import socket
import ssl
from typing import Any

from kafka.net.inet import KafkaNetSocket
from kafka.net.transport import KafkaSSLTransport


class ClosedWhenDropped(socket.socket):
    def __del__(self) -> None:
        self.close()


class TlsClosedWhenDropped(ssl.SSLSocket):
    def __del__(self) -> None:
        self.close()


def close_what_kafka_python_drops() -> None:
    """For this process, once."""
    build_context = KafkaSSLTransport._build_ssl_context

    def build_closing_context(config: dict[str, Any]) -> ssl.SSLContext:
        context: ssl.SSLContext = build_context(config)
        if context.sslsocket_class is ssl.SSLSocket:  # else its maker has chosen
            context.sslsocket_class = TlsClosedWhenDropped
        return context

    KafkaNetSocket.socket = lambda _, *kind: ClosedWhenDropped(*kind)
    KafkaSSLTransport._build_ssl_context = staticmethod(build_closing_context)
