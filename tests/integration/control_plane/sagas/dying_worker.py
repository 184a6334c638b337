"""A worker that ends without a word at one point of one operation; started by a test."""

import datetime as dt
import os
import uuid

from control_plane.domain.clock import ManualClock
from tests.factories.control_plane import World


def die(label: str) -> None:
    if label == os.environ["DIE_AT"]:
        os._exit(17)


if __name__ == "__main__":
    world = World.on(os.environ["DATABASE_URL"]).with_seam(die)
    world.clock = ManualClock(dt.datetime.fromisoformat(os.environ["NOW"]))
    world.run(uuid.UUID(os.environ["OPERATION"]))
