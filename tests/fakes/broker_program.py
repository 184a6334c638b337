"""A scripted broker process: reads a broker's configuration, serves /ready and /metrics.

Script, through the cluster's broker_configs: `script.crash` makes it say that line and exit 3;
`script.deaf` makes it ignore SIGTERM; `script.mute` makes it answer once only, `script.start.s`
takes it so many seconds to start. It binds its client port as a broker would, and says
`reloaded` at SIGHUP.
"""

import json
import signal
import socket
import sys
import time
from pathlib import Path

from data_plane.server.software import own_version

METRICS = """ottla_topics 1
ottla_bytes_in_total{topic="flights"} 7
ottla_log_size_bytes{topic="flights"} 42
"""


def main() -> None:
    config = json.loads(Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
    script = config["static_configs"]
    if line := script.get("script.crash"):
        print(line, file=sys.stderr)
        raise SystemExit(3)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "script.deaf" in script else _leave)
    signal.signal(signal.SIGHUP, lambda *_: print("reloaded", flush=True))
    listeners = [
        socket.create_server((listener["bind"], listener["port"]))
        for listener in config["listeners"]
    ]
    Path(config["data_dir"], "log").write_text("records")
    time.sleep(float(script.get("script.start.s", "0")))
    with socket.create_server(("127.0.0.1", config["metrics_port"])) as metrics:
        print(f"ready 127.0.0.1:{listeners[0].getsockname()[1]}", flush=True)
        _answer(metrics)
        while "script.mute" in script:
            signal.pause()
        while True:
            _answer(metrics)


def _leave(*_: object) -> None:
    raise SystemExit(0)


def _answer(metrics: socket.socket) -> None:
    connection, _ = metrics.accept()
    with connection:
        asked = connection.recv(4096)
        body = METRICS if b"/metrics" in asked else f"ready {own_version()}"
        connection.sendall(f"HTTP/1.0 200 OK\r\n\r\n{body}".encode())


if __name__ == "__main__":
    main()
