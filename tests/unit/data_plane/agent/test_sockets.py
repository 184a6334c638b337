"""Socket directories: short enough, private, the same each time, gone with their cluster."""

import stat
import uuid
from pathlib import Path

import pytest

from data_plane.agent import sockets
from data_plane.agent.storage import ClusterStorage


def test_a_short_path_stays_in_the_cluster(tmp_path: Path) -> None:
    cluster = ClusterStorage(Path("/o") / str(uuid.uuid4()))
    assert sockets.socket_directory(cluster) == cluster.root / "sockets"


def test_a_long_one_is_replaced_and_removed(tmp_path: Path) -> None:
    cluster = ClusterStorage(tmp_path / ("d" * 120))
    directory = sockets.socket_directory(cluster)
    try:
        assert len(str(directory)) + sockets.NAME_BYTES_MAX <= sockets.PATH_BYTES_MAX
        assert directory == sockets.socket_directory(cluster)
        directory.mkdir(mode=0o755)
        sockets.prepare(directory)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    finally:
        sockets.remove(cluster)
    assert not directory.exists()
    sockets.remove(cluster)


def test_what_is_no_directory_of_ours_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "link"
    link.symlink_to(elsewhere)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        sockets.prepare(link)
