"""One request to one broker, by our own codec: admin libraries hide who said what."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.framing import frame
from data_plane.protocol.headers import RequestHeader, encode_request_header, read_response_header
from data_plane.protocol.schema import decode, encode, info_of
from tests.integration.data_plane.broker_process import RawClient

ANSWER_SECONDS_MAX = 15.0


class NoAnswer(Exception):
    """was_sent: the broker went away before it answered, so nobody knows; else it was not there."""

    def __init__(self, *, was_sent: bool) -> None:
        super().__init__("no answer")
        self.was_sent = was_sent


def ask(port: int, request: object, *, seconds_max: float = ANSWER_SECONDS_MAX) -> Any:
    """What the broker behind a port of loopback answers, at the newest version. Raises NoAnswer."""
    key = info_of(type(request)).api_key
    version = API_KEYS[key].versions[-1]
    head = encode_request_header(RequestHeader(key, version, 7, "chaos"))
    try:
        client = RawClient("127.0.0.1", port)
    except OSError as error:
        raise NoAnswer(was_sent=False) from error
    try:
        with client:
            client.socket.settimeout(seconds_max)
            client.socket.sendall(frame(head, encode(request, version)))
            body = client.receive()
    except OSError as error:
        raise NoAnswer(was_sent=True) from error
    if not body:
        raise NoAnswer(was_sent=True)
    _, at = read_response_header(key, version, body)
    return decode(API_KEYS[key].response, version, body[at:])


def codes_in(answer: object) -> set[int]:
    """Every error code of an answer's rows, or of the answer itself."""
    return set(_codes(answer))


def _codes(part: object) -> Iterator[int]:
    assert is_dataclass(part)
    for one in fields(part):
        value = getattr(part, one.name)
        if one.name == "error_code":
            yield value
        elif isinstance(value, list | tuple):
            for row in value:
                if is_dataclass(row):
                    yield from _codes(row)
