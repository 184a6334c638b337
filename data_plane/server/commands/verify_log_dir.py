"""`ottla-broker verify-log-dir DIR`: read all that a data directory holds, judge it."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from data_plane.log.files import DiskFiles
from data_plane.log.inspection import Inspected, inspect_partition
from data_plane.log.log_dir import QUARANTINE_NAME
from data_plane.log.manifest import key_from_directory, read_topics

EXIT_DAMAGED = 65


@click.command("verify-log-dir")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "is_json", is_flag=True, help="One JSON object per partition.")
@click.option("--quiet", is_flag=True, help="Show partitions with problems only.")
def verify_log_dir(directory: Path, is_json: bool, quiet: bool) -> None:
    """Check every batch of every partition in DIRECTORY, of a running or a stopped broker.

    Exits 0 if all is well, 65 if something durable is damaged or missing. Changes nothing.
    """
    files = DiskFiles(is_read_only=True)
    topics = read_topics(files, directory)
    present = {
        key: path
        for path in sorted(directory.iterdir())
        if path.is_dir() and (key := key_from_directory(path.name)) is not None
    }
    damaged = 0
    for key, topic in topics.items():
        path = present.pop(key, None)
        if path is None:
            found = Inspected(key.directory_name, problems=["is in the manifest, but missing"])
        else:
            found = inspect(files, path)
        damaged += bool(found.problems)
        if found.problems or not quiet:
            show(found, f"{topic}-{key.partition_index}", is_json=is_json)
    for path in present.values():
        found = inspect(files, path)
        found.notes.append("is not in the manifest")
        damaged += bool(found.problems)
        show(found, "?", is_json=is_json)
    if not is_json:
        click.echo(f"{len(topics) + len(present)} partitions, {damaged} damaged")
    sys.exit(EXIT_DAMAGED if damaged else 0)


def inspect(files: DiskFiles, path: Path) -> Inspected:
    found = inspect_partition(files, path)
    quarantine = path / QUARANTINE_NAME
    if quarantine.exists():
        found.problems.append(f"is quarantined: {quarantine.read_text(errors='replace')}")
    return found


def show(found: Inspected, name: str, *, is_json: bool) -> None:
    if is_json:
        click.echo(json.dumps({"partition": name, **asdict(found)}))
        return
    state = "DAMAGED" if found.problems else "ok"
    click.echo(
        f"{state:8}{name}  [{found.log_start_offset}, {found.log_end_offset})"
        f"  {found.segments} segments  {found.batches} batches  {found.records} records"
        f"  {found.size_bytes} bytes  {found.directory}"
    )
    for line in (*found.problems, *(f"note: {note}" for note in found.notes)):
        click.echo(f"        {line}")
