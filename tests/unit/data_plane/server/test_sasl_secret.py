"""The secret behind fake salts outlives restarts and power losses."""

from pathlib import PurePath
from random import Random

from data_plane.log.memory_files import MemoryFiles
from data_plane.server.sasl_secret import SECRET_BYTES, sasl_secret

ROOT = PurePath("/data")


def test_it_is_made_once() -> None:
    files = MemoryFiles()
    files.make_directory(ROOT)
    files.sync_directory(ROOT.parent)
    made = sasl_secret(files, ROOT, Random(1))
    assert len(made) == SECRET_BYTES
    files.crash(Random(2))
    assert sasl_secret(files, ROOT, Random(3)) == made
