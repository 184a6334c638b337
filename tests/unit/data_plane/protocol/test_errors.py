"""The catalogue is Kafka's: numbers, names and who may retry, by an independent list."""

import pytest
from kio.schema.errors import ErrorCode as KioErrorCode

from data_plane.protocol import errors
from data_plane.protocol.errors import ErrorCode, KafkaError, NotCoordinator


def test_catalogue_is_kafkas() -> None:
    ours = {code.value: (code.name.lower(), code.is_retriable) for code in ErrorCode}
    assert ours == {code.value: (code.name, code.retriable) for code in KioErrorCode}


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_says_something(code: ErrorCode) -> None:
    assert code.text.endswith(".")
    assert code.text[0].isupper()


def test_exceptions_carry_their_code() -> None:
    assert NotCoordinator().code is ErrorCode.NOT_COORDINATOR
    assert NotCoordinator().message == ErrorCode.NOT_COORDINATOR.text
    assert NotCoordinator("gone").message == "gone"
    assert KafkaError(code=ErrorCode.INVALID_CONFIG).code is ErrorCode.INVALID_CONFIG
    assert KafkaError().code is ErrorCode.UNKNOWN_SERVER_ERROR


def test_no_two_exceptions_share_a_code() -> None:
    subclasses = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, KafkaError) and value is not KafkaError
    ]
    assert len({cls.default_code for cls in subclasses}) == len(subclasses) > 20
