"""`ottla kafka:info`: the cluster behind an add-on."""

from typing import Any

import click

from control_plane.cli import output
from control_plane.cli.command import Cli, app_option, resolve_addon
from control_plane.cli.command import command as declare


@declare("kafka:info")
@click.argument("addon", required=False)
@app_option
def command(cli: Cli, addon: str | None, app: str | None) -> None:
    """Show a cluster: status, topics, traffic, storage."""
    found = resolve_addon(cli, app, addon)
    cluster = cli.platform.get(f"/data/kafka/v0/clusters/{found['id']}")
    cli.show(cluster, lambda: _print(found, cluster))


def _print(addon: dict[str, Any], cluster: dict[str, Any]) -> None:
    limits = cluster["limits"]
    size = cluster.get("data_size")
    limit_bytes = (limits.get("data_size") or {}).get("limit_bytes")
    output.heading(f"{addon['name']} ({addon['plan']['name']})")
    output.fields(
        [
            ("Status", cluster["state"]["message"]),
            ("Version", ", ".join(cluster["version"])),
            ("Created", cluster["created_at"]),
            ("Topics", output.utilisation(len(cluster["topics"]), limits.get("max_topics"))),
            (
                "Partition replicas",
                output.utilisation(
                    cluster["partition_replica_count"], limits.get("max_partition_replica_count")
                ),
            ),
            ("Messages", f"{cluster['messages_in_per_sec']} messages/s"),
            (
                "Traffic",
                (
                    f"{output.binary_size(cluster['bytes_in_per_sec'])}/s in / "
                    f"{output.binary_size(cluster['bytes_out_per_sec'])}/s out"
                ),
            ),
            (
                "Data size",
                None
                if size is None
                else output.binary_size(size)
                + (f" / {output.binary_size(limit_bytes)}" if limit_bytes else ""),
            ),
            ("Add-on", addon["name"]),
        ]
    )
