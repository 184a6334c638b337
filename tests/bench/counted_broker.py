"""A broker that counts what its loop's thread calls: `run` as `ottla-broker run`, under a profiler.

The first argument is the path of a socket; whoever connects to it is told the counts so far as one
line of JSON, a row [name, calls] for each function. Only the bench and its tests start it.
"""

import cProfile
import json
import socket
import sys
import threading
from collections import Counter
from types import CodeType

from data_plane.server.main import main


def named(code: CodeType | str) -> str:
    """A function of Python's by its file, line and name; one of C's by what it is called there."""
    if isinstance(code, str):
        return code
    return f"{code.co_filename}:{code.co_firstlineno} {code.co_qualname}"


def counts(profile: cProfile.Profile) -> list[tuple[str, int]]:
    found = Counter[str]()
    for row in profile.getstats():
        found[named(row.code)] += row.callcount
    return list(found.items())


def tell(profile: cProfile.Profile, listener: socket.socket) -> None:
    """In a thread of its own, which the profile does not cover."""
    while True:
        asker, _ = listener.accept()
        with asker:
            asker.sendall(json.dumps(counts(profile)).encode())


def run() -> None:
    path = sys.argv.pop(1)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    profile = cProfile.Profile()
    threading.Thread(target=tell, args=(profile, listener), daemon=True).start()
    profile.enable()
    main()


if __name__ == "__main__":
    run()
