"""Finding things by id or name: wherever an id is taken, a name is too."""

import uuid


def uuid_from(text: str) -> uuid.UUID | None:
    """Return the UUID that `text` writes, or None: then it is a name."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
