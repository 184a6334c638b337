"""Conversations with a group, as files: a command, a line of dashes, the trace it must give.

Each file in tests/transcripts/groups is one conversation with one classic group, each in
tests/transcripts/consumer_groups one with a KIP-848 group, or with one that changes its kind.
`pytest --rewrite` records the traces anew, to be read in review as the description of what the
coordinator does (transcripts.py says how to read them).
"""

from pathlib import Path

import pytest

from tests.unit.data_plane.coordinator.transcripts import play

FOLDER = Path(__file__).parents[3] / "transcripts"
FILES = sorted((FOLDER / "groups").glob("*.txt"))
CONSUMER_FILES = sorted((FOLDER / "consumer_groups").glob("*.txt"))


def test_there_are_transcripts() -> None:
    assert FILES, f"no transcripts in {FOLDER}"
    assert CONSUMER_FILES, f"no transcripts in {FOLDER}"


@pytest.mark.semantics(
    "50a",
    "50b",
    "50c",
    "51a",
    "52a",
    "52b",
    "52c",
    "52d",
    "53a",
    "53b",
    "53c",
    "54a",
    "54b",
    "54c",
    "55a",
    "55b",
    "56a",
    "56b",
    "57a",
    "57b",
    "57c",
    "57d",
    "57e",
    "58a",
    "58b",
    "58c",
    "58e",
    "60a",
)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_transcript(path: Path, request: pytest.FixtureRequest) -> None:
    check(path, request)


@pytest.mark.semantics("64a", "64b", "64d", "64e", "64i", "64j")
@pytest.mark.parametrize("path", CONSUMER_FILES, ids=lambda path: path.stem)
def test_consumer_group_transcript(path: Path, request: pytest.FixtureRequest) -> None:
    check(path, request)


def check(path: Path, request: pytest.FixtureRequest) -> None:
    written = path.read_text()
    played = play(written)
    if request.config.getoption("--rewrite"):
        path.write_text(played)
    else:
        assert played == written
