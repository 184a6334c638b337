"""What a config key is: its type, default, check and who may change it (KIP-226, KIP-569)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from data_plane.protocol.errors import InvalidConfig

ConfigValue = bool | int | float | str | tuple[str, ...]
Check = Callable[[ConfigValue], bool]


class ConfigType(IntEnum):
    """Kafka's numbers in DescribeConfigs v3 and up."""

    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class ConfigSource(IntEnum):
    """Where a value comes from; a lower number wins."""

    TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    BROKER_LOGGER = 6
    GROUP = 8


class UpdateMode(IntEnum):
    """Who may change a broker key while the broker runs (KIP-226)."""

    READ_ONLY = 0
    CLUSTER_WIDE = 2  # For one broker by its id, too.


INTEGER_RANGES = {
    ConfigType.SHORT: (-(2**15), 2**15 - 1),
    ConfigType.INT: (-(2**31), 2**31 - 1),
    ConfigType.LONG: (-(2**63), 2**63 - 1),
}
LONG_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Limit:
    """A check and the words in which a refused value is told about it."""

    check: Check
    says: str


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """One known key. `default` is text as DescribeConfigs shows it; None: not set.

    broker_key: for a key of a topic or group, the broker key that gives the default of all.
    """

    name: str
    type: ConfigType
    default: str | None
    about: str
    limit: Limit | None = None
    broker_key: str | None = None
    update: UpdateMode = UpdateMode.CLUSTER_WIDE

    @property
    def is_sensitive(self) -> bool:
        """Its value is never shown."""
        return self.type is ConfigType.PASSWORD

    def parse(self, text: str) -> ConfigValue:
        """Return the value of `text`. Raises InvalidConfig, which names key and reason.

        A sensitive value is not repeated in the error.
        """
        value = self._read(text.strip())
        if self.limit is not None and not self.limit.check(value):
            raise self._invalid(text, self.limit.says)
        return value

    def _read(self, text: str) -> ConfigValue:
        match self.type:
            case ConfigType.BOOLEAN:
                if text.lower() not in ("true", "false"):
                    raise self._invalid(text, "expected true or false")
                return text.lower() == "true"
            case ConfigType.INT | ConfigType.LONG | ConfigType.SHORT:
                return self._read_integer(text)
            case ConfigType.DOUBLE:
                return self._read_double(text)
            case ConfigType.LIST:
                return tuple(items_of(text))
            case _:
                return text

    def _read_integer(self, text: str) -> int:
        digits = text.removeprefix("-").removeprefix("+")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
            raise self._invalid(text, "not a number")
        lowest, highest = INTEGER_RANGES[self.type]
        if not lowest <= int(text) <= highest:
            raise self._invalid(text, f"not a number of type {self.type.name}")
        return int(text)

    def _read_double(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise self._invalid(text, "not a number") from None

    def _invalid(self, text: str, why: str) -> InvalidConfig:
        shown = "[hidden]" if self.is_sensitive else text
        return InvalidConfig(f"Invalid value {shown} for configuration {self.name}: {why}")


def items_of(text: str) -> list[str]:
    """Split the text of a LIST value; blanks around items do not count."""
    return [item for part in text.split(",") if (item := part.strip())]


def at_least(lowest: float) -> Limit:
    return Limit(
        lambda value: isinstance(value, (int, float)) and value >= lowest,
        f"Value must be at least {lowest}",
    )


def between(lowest: float, highest: float) -> Limit:
    return Limit(
        lambda value: isinstance(value, (int, float)) and lowest <= value <= highest,
        f"Value must be between {lowest} and {highest}",
    )


def one_of(*allowed: str) -> Limit:
    return Limit(lambda value: value in allowed, f"String must be one of: {', '.join(allowed)}")


def each_of(*allowed: str, items_min: int = 0) -> Limit:
    """A list without repetition whose items are all among `allowed` (KIP-1161)."""
    return Limit(
        lambda value: (
            isinstance(value, tuple)
            and set(value) <= set(allowed)
            and len(set(value)) == len(value) >= items_min
        ),
        f"List must hold each at most once, and nothing but: {', '.join(allowed)}"
        + ("; it must not be empty" if items_min else ""),
    )


def catalogue(keys: Iterable[ConfigKey]) -> dict[str, ConfigKey]:
    """Index keys by name. A name told twice is a slip in the table, found at import."""
    by_name: dict[str, ConfigKey] = {}
    for key in keys:
        assert key.name not in by_name, key.name
        by_name[key.name] = key
    return by_name
