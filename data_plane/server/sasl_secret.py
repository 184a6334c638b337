"""The broker's own secret, from which users that do not exist get salts (security/scram.py)."""

from pathlib import PurePath
from random import Random

from data_plane.log.files import Files, read_whole, write_atomically

NAME = "sasl-secret"
SECRET_BYTES = 32


def sasl_secret(files: Files, data_dir: PurePath, rng: Random) -> bytes:
    """Return the secret kept in the data directory, made at the first call.

    It outlives restarts, since a salt that changes while others stay would tell who exists.
    Blocks. Raises OSError.
    """
    path = data_dir / NAME
    found = read_whole(files, path)
    if found is None or len(found) != SECRET_BYTES:
        found = rng.randbytes(SECRET_BYTES)
        write_atomically(files, path, found)
    return found
