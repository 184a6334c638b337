"""`ottla-broker cluster --config FILE.json`: what all brokers of the cluster are given besides.

The fields of `run --config`, except those that tell brokers apart, which the cluster sets. A
listener is added to the plain one; its port is broker 0's, broker i takes that port plus i.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from data_plane.server.config_file import ConfigRefused, Fields

# What the cluster decides for each broker (cluster_supervisor.py).
OF_THE_CLUSTER: Final = (
    "data_dir",
    "broker_id",
    "cluster_id",
    "directory_id",
    "internal_listener",
    "quorum_listener",
    "initial_voters",
    "join",
    "spec_broker_count",
    "metrics_port",
)


def read_common(path: Path) -> dict[str, Any]:
    """The file's fields; each broker checks what they say.

    Raises ConfigRefused: unreadable, a field that the cluster sets, or a listener without a port.
    """
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigRefused(f"{path}: {error}") from error
    fields = Fields(document, str(path))
    for name in OF_THE_CLUSTER:
        if name in document:
            raise ConfigRefused(f"{path}: {name} is for the cluster to set")
    for at, one in enumerate(fields.take("listeners", list, [])):
        if Fields(one, f"{path}: listeners[{at}]").take("port", int) < 1:
            raise ConfigRefused(f"{path}: listeners[{at}]: port must be at least 1")
    fields.take("static_configs", dict, {})
    return dict(document)


def with_common(
    document: Mapping[str, Any], common: Mapping[str, Any], broker_id: int
) -> dict[str, Any]:
    """A broker's document with what `read_common` found; it wins where both have something."""
    more = [{**one, "port": one["port"] + broker_id} for one in common.get("listeners", ())]
    return {
        **document,
        **common,
        "listeners": [*document["listeners"], *more],
        "static_configs": {
            **document.get("static_configs", {}),
            **common.get("static_configs", {}),
        },
    }
