"""How many records were acknowledged so far, as the histories say."""

from pathlib import Path

ACKNOWLEDGED = b'"op":"send","type":"ok"'  # in a line of a history


class Tally:
    """Reads on where it ended, as histories grow to many megabytes while they are looked at."""

    def __init__(self, folder: Path, pattern: str = "*.jsonl") -> None:
        self._folder = folder
        self._pattern = pattern
        self._read: dict[Path, int] = {}
        self._count = 0

    def count(self) -> int:
        """Of whole lines; one that is being written counts the next time."""
        for path in self._folder.glob(self._pattern):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                grown = file.read()
            whole = grown[: grown.rfind(b"\n") + 1]
            self._count += whole.count(ACKNOWLEDGED)
            self._read[path] = self._read.get(path, 0) + len(whole)
        return self._count
