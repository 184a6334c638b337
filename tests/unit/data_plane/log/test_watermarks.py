"""High watermarks on disk: lower bounds that no crash turns into more than was true."""

import errno
import random
from pathlib import PurePath
from uuid import UUID

import pytest

from data_plane.log.failures import DiskFull, LogFailure
from data_plane.log.manifest import PartitionKey
from data_plane.log.memory_files import MemoryFiles, PowerCut
from data_plane.log.watermarks import DRAFT_NAME, NAME, Row, Watermarks, read_watermarks

ROOT = PurePath("/data")
A, B = PartitionKey(UUID(int=1), 0), PartitionKey(UUID(int=2), 7)


def new_files() -> MemoryFiles:
    files = MemoryFiles()
    files.make_directory(ROOT)
    files.sync_directory(ROOT.parent)
    return files


def published(watermarks: Watermarks, rows: list[Row]) -> None:
    draft = watermarks.draft(rows)
    assert draft is not None
    draft.write()
    assert watermarks.publish(draft)


def test_what_was_published_is_read_again() -> None:
    files = new_files()
    published(Watermarks(files, ROOT), [(*A, 5), (*B, 1 << 40)])
    files.kill()
    assert Watermarks(files, ROOT).stored == {A: 5, B: 1 << 40}


def test_rows_that_say_the_same_are_not_written_again() -> None:
    files = new_files()
    watermarks = Watermarks(files, ROOT)
    assert watermarks.draft([]) is None
    published(watermarks, [(*A, 5)])
    assert watermarks.draft([(*A, 5)]) is None


def test_a_damaged_file_says_nothing() -> None:
    files = new_files()
    watermarks = Watermarks(files, ROOT)
    watermarks.write([(*A, 5), (*B, 6)])
    content = files.open(ROOT / NAME).content
    for size_bytes in range(len(content)):
        cut = files.copy()
        cut.open(ROOT / NAME).truncate(size_bytes)
        assert read_watermarks(cut, ROOT) == {}, size_bytes
    content[9] ^= 7
    assert read_watermarks(files, ROOT) == {}


def test_a_draft_that_was_begun_before_a_row_came_down_is_thrown_away() -> None:
    files = new_files()
    watermarks = Watermarks(files, ROOT)
    published(watermarks, [(*A, 5)])
    draft = watermarks.draft([(*A, 9)])
    assert draft is not None
    watermarks.lower({A: 3})
    draft.write()
    assert not watermarks.publish(draft)
    files.crash()
    assert read_watermarks(files, ROOT) == {A: 3}


def test_a_row_that_is_in_a_draft_only_does_not_come_back() -> None:
    files = new_files()
    watermarks = Watermarks(files, ROOT)
    draft = watermarks.draft([(*A, 9)])
    assert draft is not None
    draft.write()
    watermarks.lower({A: 3})
    assert not watermarks.publish(draft)
    assert Watermarks(files, ROOT).stored == {}


def test_a_replica_that_is_made_anew_has_no_row() -> None:
    files = new_files()
    watermarks = Watermarks(files, ROOT)
    published(watermarks, [(*A, 5), (*B, 6)])
    watermarks.forget([A])
    files.crash()
    assert Watermarks(files, ROOT).stored == {B: 6}


def test_without_room_an_older_file_stays_and_a_row_comes_down_all_the_same() -> None:
    files = new_files()
    watermarks = Watermarks(files, ROOT)
    published(watermarks, [(*A, 5), (*B, 6)])
    draft = watermarks.draft([(*A, 7)])
    assert draft is not None
    files.fail("append", errno.ENOSPC, DRAFT_NAME)
    with pytest.raises(DiskFull):
        draft.write()
    files.fail("append", errno.ENOSPC, NAME)
    watermarks.write([(*A, 8)])
    assert read_watermarks(files, ROOT) == {A: 5, B: 6}
    files.fail("append", errno.ENOSPC, NAME)
    watermarks.lower({A: 2})
    assert watermarks.stored == {}
    files.crash()
    assert read_watermarks(files, ROOT) == {}


@pytest.mark.parametrize("operation", ["append", "sync", "rename", "sync_directory"])
def test_a_disk_that_fails_ends_the_broker_before_anything_is_cut(operation: str) -> None:
    files = new_files()
    watermarks = Watermarks(files, ROOT)
    published(watermarks, [(*A, 5)])
    files.fail(operation, errno.EIO)
    with pytest.raises(LogFailure):
        watermarks.lower({A: 2})


def story(files: MemoryFiles, told: list[dict[PartitionKey, int]]) -> None:
    """Rows go up and down; `told` gets what may be found, from then on, at most."""
    watermarks = Watermarks(files, ROOT)
    told.append({A: 5})
    published(watermarks, [(*A, 5)])
    told.append({A: 9, B: 4})
    published(watermarks, [(*A, 9), (*B, 4)])
    draft = watermarks.draft([(*A, 12), (*B, 4)])
    assert draft is not None
    draft.write()
    watermarks.lower({A: 6})
    told.append({A: 6, B: 4})  # From here on the log may be cut.
    assert not watermarks.publish(draft)
    published(watermarks, [(*A, 6), (*B, 4)])
    watermarks.forget([B])
    told.append({A: 6})
    watermarks.write([(*A, 6)])


def count_changes() -> int:
    files = new_files()
    before = files.changes
    story(files, [{}])
    return files.changes - before


@pytest.mark.parametrize("change", range(count_changes()))
@pytest.mark.parametrize("has_power", [True, False])
def test_no_crash_at_any_change_brings_a_higher_row_back(change: int, has_power: bool) -> None:
    files, told = new_files(), [dict[PartitionKey, int]()]
    files.changes_max = files.changes + change
    with pytest.raises(PowerCut):
        story(files, told)
    if has_power:
        files.kill()
    else:
        files.crash(random.Random(change))
    stored = read_watermarks(files, ROOT)
    highest = told[-1]
    assert all(offset <= highest.get(key, 0) for key, offset in stored.items()), (stored, told)
