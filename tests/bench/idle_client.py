"""Opens connections and holds them: `idle_client HOST PORT COUNT [TLS FOLDER]`.

Each asks for ApiVersions once. Ends when its standard input does.
"""

import resource
import sys
from pathlib import Path

from tests.bench.replay import Connection

API_VERSIONS_V0 = bytes.fromhex("0000000a0012000000000001ffff")


def main() -> None:
    host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    tls_folder = Path(sys.argv[4]) if len(sys.argv) > 4 else None
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = []
    for _ in range(count):
        connection = Connection(host, port, tls_folder, read_bytes=64)
        connection.send(API_VERSIONS_V0)
        connection.receive()
        connections.append(connection)
    print(f"open {len(connections)}", flush=True)
    sys.stdin.read()
    for connection in connections:
        connection.socket.close()


if __name__ == "__main__":
    main()
