"""What the test process changes of kafka-python: its dropped sockets are closed, no others."""

import socket
import ssl
import warnings

from kafka.net.inet import KafkaNetSocket
from kafka.net.transport import KafkaSSLTransport


def warned_by(dropped: list[socket.socket]) -> list[type[Warning]]:
    """What Python says when the sockets of the list are dropped."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        dropped.clear()
    return [one.category for one in seen]


def test_sockets_of_kafka_python_are_closed_and_others_still_warn() -> None:
    dropped = [KafkaNetSocket().socket(socket.AF_INET)]
    descriptor = dropped[0].fileno()
    assert warned_by(dropped) == []
    assert not is_open(descriptor)
    assert warned_by([socket.socket()]) == [ResourceWarning]


def test_its_tls_sockets_too() -> None:
    context = KafkaSSLTransport._build_ssl_context(dict(KafkaSSLTransport.DEFAULT_CONFIG))
    assert warned_by([client_side(context)]) == []
    assert warned_by([client_side(ssl.create_default_context())]) == [ResourceWarning]


def client_side(context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(
        socket.socket(), server_hostname="localhost", do_handshake_on_connect=False
    )


def is_open(descriptor: int) -> bool:
    try:
        socket.socket(fileno=descriptor).close()
    except OSError:
        return False
    return True
