"""How a broker that ends by itself says why."""

import errno
import os
from pathlib import Path, PurePosixPath

import pytest

from data_plane.broker.membership import MembershipEnded
from data_plane.log.failures import LogFailure
from data_plane.protocol.errors import ErrorCode
from data_plane.server.process import boot_id, last_words

IO_ERROR = OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize(
    ("error", "exit_code", "words"),
    [
        (
            MembershipEnded(ErrorCode.STALE_BROKER_EPOCH),
            77,
            "another process has its id (STALE_BROKER_EPOCH)",
        ),
        (
            MembershipEnded(ErrorCode.INCONSISTENT_CLUSTER_ID),
            77,
            "it was refused (INCONSISTENT_CLUSTER_ID)",
        ),
        (LogFailure(PurePosixPath("00.log"), "syncing", IO_ERROR), 74, "storage failed"),
        (IO_ERROR, 74, "storage failed"),
        (AssertionError("a promise is broken"), 70, "a promise is broken"),
    ],
)
def test_only_storage_that_failed_is_called_so(
    error: BaseException, exit_code: int, words: str
) -> None:
    told, code = last_words(error)
    assert code == exit_code
    assert words in told
    assert ("storage failed" in told) == (exit_code == 74)


def test_a_boot_is_known_with_the_mount_that_holds_the_data(tmp_path: Path) -> None:
    """A directory on another file system is not what the last process wrote to.

    One that does not exist yet is judged by where it will be.
    """
    here = boot_id(tmp_path)
    assert here
    assert boot_id(tmp_path) == boot_id(tmp_path / "not" / "there") == here
    elsewhere = Path("/proc/self")
    assert os.stat(elsewhere).st_dev != os.stat(tmp_path).st_dev
    assert boot_id(elsewhere) != here
    assert boot_id(elsewhere).partition("/")[0] == here.partition("/")[0]
