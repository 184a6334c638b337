"""The process's loggers as configs of the broker (resource type 8, KIP-412).

A key is a logger's name, its value the level in force, under Kafka's names. What is set here lasts
until the process ends, as in Kafka.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from data_plane.protocol.errors import InvalidConfig, InvalidRequest
from data_plane.protocol.messages.incremental_alter_configs import (
    DELETE,
    SET,
    IncrementalAlterConfigsRequestConfig,
)

ROOT: Final = "root"
OURS: Final = "data_plane"
LEVELS: Final[Mapping[str, int]] = {
    "FATAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "TRACE": logging.NOTSET + 1,
}


def levels() -> dict[str, str]:
    """Logger name -> level in force: the root's, and those of this broker's own parts."""
    names = sorted(
        name
        for name, one in logging.root.manager.loggerDict.items()
        if isinstance(one, logging.Logger) and name.startswith(OURS)
    )
    return {name: _name_of(_logger(name).getEffectiveLevel()) for name in (ROOT, *names)}


def alter(changes: Sequence[IncrementalAlterConfigsRequestConfig], *, validate_only: bool) -> None:
    """Set and unset levels, all or none. Raises InvalidConfig or InvalidRequest."""
    known = levels()
    for change in changes:
        if change.config_operation not in (SET, DELETE):
            raise InvalidRequest("Levels of loggers are set or deleted, and nothing else.")
        if change.name not in known:
            raise InvalidConfig(f"Logger {change.name} does not exist!")
        if change.config_operation == DELETE and change.name == ROOT:
            raise InvalidRequest("Removing the log level of the root logger is not allowed")
        if change.config_operation == SET and change.value not in LEVELS:
            raise InvalidConfig(
                f"Cannot set the log level of {change.name} to {change.value} as it is not a "
                f"supported log level. Valid log levels are {', '.join(LEVELS)}"
            )
    for change in () if validate_only else changes:
        is_set = change.config_operation == SET
        level = LEVELS[change.value or ""] if is_set else logging.NOTSET
        _logger(change.name).setLevel(level)


def _logger(name: str) -> logging.Logger:
    return logging.root if name == ROOT else logging.getLogger(name)


def _name_of(level: int) -> str:
    """The strictest of Kafka's levels that lets everything of this one through."""
    return next((name for name, number in LEVELS.items() if number <= level), "TRACE")
