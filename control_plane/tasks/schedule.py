"""The beat table: what runs by itself, and how often (seconds).

A tick that no worker takes in time expires: a stopped worker does not find a heap of them. Each
task may run twice at once (several beats), because each takes rows under a lock or only deletes.
"""

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep": {"task": "operations.sweep", "schedule": 1.0, "options": {"expires": 2.0}},
    "turns": {"task": "turns.sweep", "schedule": 1.0, "options": {"expires": 2.0}},
    "replacements": {
        "task": "replacements.sweep",
        "schedule": 5.0,
        "options": {"expires": 10.0},
    },
    "expiry": {"task": "expiry.run", "schedule": 60.0, "options": {"expires": 60.0}},
}
