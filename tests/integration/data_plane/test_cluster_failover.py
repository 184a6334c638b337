"""The controller is killed while others ask it for topics: no wrong answer, and all go on."""

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
)
from data_plane.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.integration.data_plane.trio import BROKERS, Trio

BEFORE, AFTER = 10, 10  # topics created around the kill
# Done; or nobody can tell; or nothing was done. Never TOPIC_ALREADY_EXISTS: each name is new.
HONEST = {ErrorCode.NONE, ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NOT_CONTROLLER}


def test_no_wrong_answer_comes_of_a_controller_that_is_lost() -> None:
    with TemporaryDirectory(prefix="trio") as folder:
        trio = Trio(Path(folder))
        try:
            trio.start()
            kill_while_creating(trio)
        finally:
            trio.stop()


def kill_while_creating(trio: Trio) -> None:
    controller_id = trio.controller_id()
    asked = next(each for each in BROKERS if each != controller_id)
    codes: dict[str, int] = {}
    is_time = threading.Event()

    def create() -> None:
        for number in range(BEFORE + AFTER):
            if number == BEFORE:
                is_time.set()
            request = CreateTopicsRequest(
                [CreateTopicsRequestTopic(f"t{number}", 1, 2)], timeout_ms=30_000
            )
            (row,) = trio.ask(asked, request).topics
            codes[row.name] = row.error_code

    creating = threading.Thread(target=create)
    creating.start()
    assert is_time.wait(60)
    trio.processes[controller_id].kill()
    creating.join(300)
    assert not creating.is_alive()
    assert set(codes.values()) <= HONEST, codes
    done = [name for name, code in codes.items() if code == ErrorCode.NONE]
    assert len(done) >= BEFORE
    assert f"t{BEFORE + AFTER - 1}" in done, "another controller decides by now"
    trio.restart(controller_id)
    for broker_id in BROKERS:
        shown = trio.ask(
            broker_id,
            MetadataRequest([MetadataRequestTopic(name=name) for name in done]),
        )
        assert {row.name for row in shown.topics if not row.error_code} == set(done)
