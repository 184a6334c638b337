"""`--config FILE.json`: what an agent writes for a broker, checked field by field."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from data_plane.broker.config import (
    BrokerConfig,
    InitialVoter,
    ListenerConfig,
    PeerListenerConfig,
    SaslConfig,
    TlsConfig,
)
from data_plane.broker.static_configs import HIDDEN, check_static_configs
from data_plane.protocol.errors import InvalidConfig
from data_plane.security.scram import MECHANISMS


class ConfigRefused(Exception):
    """The file cannot be used; the text names the field."""


def read_config(path: Path) -> BrokerConfig:
    """Raises ConfigRefused: unreadable, an unknown field, or a value of the wrong type."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigRefused(f"{path}: {error}") from error
    fields = Fields(document, str(path))
    config = BrokerConfig(
        data_dir=Path(fields.take("data_dir", str)),
        broker_id=fields.take("broker_id", int, 0),
        cluster_id=fields.take("cluster_id", str, ""),
        node_id=fields.take("node_id", str, "local"),
        rack=fields.take_optional("rack", str),
        listeners=tuple(
            listener(one, f"{path}: listeners[{at}]")
            for at, one in enumerate(fields.take("listeners", list))
        ),
        super_users=frozenset(map(str, fields.take("super_users", list, []))),
        metrics_port=fields.take_optional("metrics_port", int),
        disk_bytes_max=fields.take_optional("disk_bytes_max", int),
        auto_create_topics=fields.take("auto_create_topics", bool, False),
        default_partitions=fields.take("default_partitions", int, 1),
        static_configs={
            str(name): str(value) for name, value in fields.take("static_configs", dict, {}).items()
        },
        internal_listener=peer_listener(fields, "internal_listener", path),
        quorum_listener=peer_listener(fields, "quorum_listener", path),
        initial_voters=tuple(
            initial_voter(one, f"{path}: initial_voters[{at}]")
            for at, one in enumerate(fields.take("initial_voters", list, []))
        ),
        join=tuple(map(str, fields.take("join", list, []))),
        directory_id=uuid_of(fields.take_optional("directory_id", str), f"{path}: directory_id"),
        spec_broker_count=fields.take("spec_broker_count", int, 1),
    )
    fields.end()
    try:
        check_static_configs(config.static_configs)
    except InvalidConfig as error:
        raise ConfigRefused(f"{path}: static_configs: {error.message}") from error
    return config


def listener(document: object, where: str) -> ListenerConfig:
    fields = Fields(document, where)
    tls = fields.take_optional("tls", dict)
    sasl = fields.take_optional("sasl", dict)
    made = ListenerConfig(
        name=fields.take("name", str),
        bind=fields.take("bind", str, "127.0.0.1"),
        port=fields.take("port", int, 0),
        advertised_host=fields.take("advertised_host", str, ""),
        advertised_port=fields.take("advertised_port", int, 0),
        tls=None if tls is None else tls_files(tls, f"{where}.tls"),
        sasl=None if sasl is None else sasl_config(sasl, f"{where}.sasl"),
        connections_per_s_max=fields.take_optional("connections_per_s_max", int),
    )
    fields.end()
    if made.name in HIDDEN:
        raise ConfigRefused(f"{where}: {made.name} is the name of a listener for brokers")
    if made.connections_per_s_max is not None and made.connections_per_s_max < 1:
        raise ConfigRefused(f"{where}: connections_per_s_max must be at least 1")
    if made.tls is not None and made.tls.client_ca_file is None and made.sasl is None:
        raise ConfigRefused(f"{where}.tls: client_ca_file is missing")
    return made


def peer_listener(fields: "Fields", name: str, path: Path) -> PeerListenerConfig | None:
    document = fields.take_optional(name, dict)
    if document is None:
        return None
    inner = Fields(document, f"{path}: {name}")
    tls = inner.take_optional("tls", dict)
    made = PeerListenerConfig(
        address=inner.take("address", str),
        advertised=inner.take("advertised", str, ""),
        tls=None if tls is None else tls_files(tls, f"{path}: {name}.tls"),
    )
    inner.end()
    if not made.address.startswith("unix:") and made.tls is None:
        raise ConfigRefused(f"{path}: {name}: an address that is no unix:PATH needs tls")
    return made


def initial_voter(document: object, where: str) -> InitialVoter:
    fields = Fields(document, where)
    directory_id = uuid_of(fields.take("directory_id", str), f"{where}.directory_id")
    assert directory_id is not None, "the field was taken"
    made = InitialVoter(
        fields.take("broker_id", int), directory_id, fields.take("quorum_address", str)
    )
    fields.end()
    return made


def uuid_of(text: str | None, where: str) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError as error:
        raise ConfigRefused(f"{where}: not a UUID") from error


def tls_files(document: object, where: str) -> TlsConfig:
    fields = Fields(document, where)
    client_ca = fields.take_optional("client_ca_file", str)
    made = TlsConfig(
        certificate_file=Path(fields.take("certificate_file", str)),
        key_file=Path(fields.take("key_file", str)),
        client_ca_file=None if client_ca is None else Path(client_ca),
    )
    fields.end()
    return made


def sasl_config(document: object, where: str) -> SaslConfig:
    fields = Fields(document, where)
    mechanisms = fields.take("mechanisms", list)
    fields.end()
    if not mechanisms or not set(map(str, mechanisms)) <= MECHANISMS.keys():
        known = ", ".join(MECHANISMS)
        raise ConfigRefused(f"{where}: mechanisms must be some of {known}")
    return SaslConfig(tuple(dict.fromkeys(map(str, mechanisms))))


REQUIRED: Any = object()


class Fields:
    """The fields of one JSON object, taken one by one; what is left at the end is refused."""

    def __init__(self, document: object, where: str) -> None:
        if not isinstance(document, Mapping):
            raise ConfigRefused(f"{where}: expected an object")
        self._left: dict[str, Any] = dict(document)
        self._where = where

    def take(self, name: str, kind: type, default: Any = REQUIRED) -> Any:
        if name not in self._left and default is REQUIRED:
            raise ConfigRefused(f"{self._where}: {name} is missing")
        value = self._left.pop(name, default)
        is_wrong_bool = isinstance(value, bool) and kind is not bool
        if not isinstance(value, kind) or is_wrong_bool:
            raise ConfigRefused(f"{self._where}: {name} must be of type {kind.__name__}")
        return value

    def take_optional(self, name: str, kind: type) -> Any:
        """None where the field is missing or null."""
        if self._left.get(name) is None:
            self._left.pop(name, None)
            return None
        return self.take(name, kind)

    def end(self) -> None:
        if self._left:
            names = ", ".join(sorted(self._left))
            raise ConfigRefused(f"{self._where}: unknown field {names}")
