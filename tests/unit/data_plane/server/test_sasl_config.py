"""Listeners with SASL: what a configuration may leave out, and what it may not (S12)."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_plane.broker.config import ListenerConfig, SaslConfig, TlsConfig
from data_plane.server.config_file import ConfigRefused, read_config
from data_plane.server.listener import Listener, ListenerRefused
from data_plane.server.tls import TlsRefused, server_context

TLS = {"certificate_file": "a.crt", "key_file": "a.key"}
SASL = {"mechanisms": ["SCRAM-SHA-512"]}


def listener_of(folder: Path, **fields: Any) -> ListenerConfig:
    path = folder / "broker.json"
    listener = {"name": "SASL", **fields}
    path.write_text(json.dumps({"data_dir": str(folder), "listeners": [listener]}))
    return read_config(path).listeners[0]


def test_mechanisms_are_read_once_each(tmp_path: Path) -> None:
    names = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    made = listener_of(tmp_path, sasl={"mechanisms": names})
    assert made.sasl == SaslConfig(("SCRAM-SHA-512", "SCRAM-SHA-256"))


def test_tls_under_sasl_needs_no_client_ca(tmp_path: Path) -> None:
    made = listener_of(tmp_path, tls=TLS, sasl=SASL)
    assert made.tls is not None
    assert made.tls.client_ca_file is None


def test_tls_without_sasl_and_without_client_ca_would_let_anybody_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match="client_ca_file is missing"):
        listener_of(tmp_path, tls=TLS)
    with pytest.raises(TlsRefused, match="client_ca_file is missing"):
        server_context(TlsConfig(Path("a.crt"), Path("a.key")))


@pytest.mark.parametrize(
    "sasl",
    [
        {},
        {"mechanisms": []},
        {"mechanisms": ["PLAIN"]},
        {"mechanisms": ["SCRAM-SHA-256", "ANONYMOUS"]},
        {"mechanisms": "SCRAM-SHA-256"},
        {"mechanisms": ["SCRAM-SHA-256"], "more": 1},
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, sasl: dict[str, Any]) -> None:
    with pytest.raises(ConfigRefused):
        listener_of(tmp_path, sasl=sasl)


def test_a_listener_refuses_mechanisms_it_does_not_know() -> None:
    with pytest.raises(ListenerRefused, match="SCRAM-SHA-256, SCRAM-SHA-512"):
        Listener(ListenerConfig("SASL", sasl=SaslConfig(("PLAIN",))))


def test_sasl_does_not_make_plaintext_fit_for_a_network() -> None:
    with pytest.raises(ListenerRefused, match="plaintext is served on loopback only"):
        Listener(ListenerConfig("SASL", "0.0.0.0", sasl=SaslConfig(("SCRAM-SHA-256",))))
