"""What the books say is so: links lead somewhere, commands and targets they show exist."""

import re
from pathlib import Path

import pytest

from control_plane.cli.main import ALIASES, COMMANDS, WORDS_MAX

ROOT = Path(__file__).resolve().parents[1]
BOOKS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
COMMAND = re.compile(r"(?:^\$ |`)ottla ([a-z][a-z:-]*(?: [a-z][a-z:-]*)*)", re.MULTILINE)
TARGET = re.compile(r"(?:^\$? ?|`)make ([a-z-]+)", re.MULTILINE)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: str(book.relative_to(ROOT)))
def test_links_lead_somewhere(book: Path) -> None:
    missing = [to for to in LINK.findall(book.read_text()) if not (book.parent / to).exists()]
    assert missing == []


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: str(book.relative_to(ROOT)))
def test_commands_and_targets_exist(book: Path) -> None:
    text = book.read_text()
    known = {*COMMANDS, *ALIASES, "exit-codes", "help"}
    unknown = [
        words
        for words in COMMAND.findall(text)
        if not any(":".join(words.split(" ")[:n]) in known for n in range(1, WORDS_MAX + 1))
    ]
    assert unknown == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall(text)) <= targets


def test_a_wrong_command_would_be_found() -> None:
    assert COMMAND.findall("$ ottla addons:crate x\n") == ["addons:crate x"]
    assert LINK.findall("see [x](docs/nowhere.md)") == ["docs/nowhere.md"]
