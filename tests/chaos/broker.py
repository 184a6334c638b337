"""One broker of a rig: a real process on a fixed port, that can be killed, paused and robbed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.chaos.power_loss import lose_power
from tests.integration.data_plane.broker_process import ROOT, free_port, read_line

START_SECONDS_MAX = 300.0  # of a busy machine; no figure
STOP_SECONDS_MAX = 60.0
ANSWER_SECONDS_MAX = 30.0
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


class ChaosBroker:
    """Its configuration file, its data, its process; the process may be missing."""

    def __init__(
        self,
        folder: Path,
        index: int,
        port: int,
        *,
        data_dir: Path | None = None,
        prefix: tuple[str, ...] = (),
        advertised: tuple[str, int] | None = None,
        has_journal: bool = False,
        static: Mapping[str, str] = NO_SETTINGS,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """prefix: words before the command, such as those that enter a network namespace.

        advertised: where clients find it, if not at its own port. more: of its configuration.
        """
        self.index = index
        self.port = port
        self.metrics_port = free_port()
        self.address = "{}:{}".format(*(advertised or ("127.0.0.1", port)))
        self.folder = folder / f"broker-{index}"
        self.folder.mkdir(parents=True)
        self.data_dir = data_dir or self.folder / "data"
        self.journal = self.folder / "journal"
        self.clock = self.folder / "clock"
        self.set_clock(0)
        self.process: subprocess.Popen[str] | None = None
        self.starts = 0
        self.start_seconds: list[float] = []
        self._prefix = prefix
        self._has_journal = has_journal
        self._boots = 0
        self._write_config(advertised, static, more or {})

    def _write_config(
        self,
        advertised: tuple[str, int] | None,
        static: Mapping[str, str],
        more: Mapping[str, Any],
    ) -> None:
        listener = {"name": "PLAINTEXT", "port": self.port}
        if advertised is not None:
            listener |= {"advertised_host": advertised[0], "advertised_port": advertised[1]}
        config = {
            "broker_id": self.index,
            "data_dir": str(self.data_dir),
            "listeners": [listener],
            "super_users": ["User:ANONYMOUS"],
            "metrics_port": self.metrics_port,
            "static_configs": {"group.initial.rebalance.delay.ms": "200", **static},
            **more,
        }
        (self.folder / "broker.json").write_text(json.dumps(config))

    def _write_seams(self) -> None:
        seams = {"clock": str(self.clock), "boot_id": f"boot-{self._boots}"}
        if self._has_journal:
            seams["journal"] = str(self.journal)
        (self.folder / "seams.json").write_text(json.dumps(seams))

    def start(self) -> None:
        """Return once it is ready. Raises AssertionError if it ends instead."""
        began = time.monotonic()
        self.launch()
        self.await_ready()
        self.start_seconds.append(time.monotonic() - began)

    def launch(self) -> None:
        """Start the process; of several brokers none is ready before a majority runs."""
        self._write_seams()
        errors = (self.folder / "stderr.log").open("a")
        with errors:
            self.process = subprocess.Popen(
                [
                    *self._prefix,
                    sys.executable,
                    "-m",
                    "data_plane.server.main",
                    "run",
                    "--config",
                    str(self.folder / "broker.json"),
                    "--fault-seams",
                    str(self.folder / "seams.json"),
                ],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                process_group=0,  # Ctrl-C is for the run, which ends its processes itself.
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        self.starts += 1

    def await_ready(self) -> None:
        assert self.process is not None, "it was launched"
        line = read_line(self.process, START_SECONDS_MAX)
        told = f"broker {self.index}: {line!r}, see {self.folder}/stderr.log"
        assert line.startswith("ready "), told

    @property
    def pid(self) -> int:
        """The broker's own process: a namespace is entered by exec, so it is the child itself."""
        assert self.process is not None, "it was started"
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def metrics(self) -> dict[str, float]:
        """What it tells of itself, by name with labels; a broker in a namespace is not reached."""
        address = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(address, timeout=ANSWER_SECONDS_MAX) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self._reap()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None, "it was started"
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(STOP_SECONDS_MAX)
        self._reap()
        return code

    def _reap(self) -> None:
        assert self.process is not None, "it was started"
        self.process.wait(STOP_SECONDS_MAX)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def lose_power(self, rng: random.Random) -> Counter[str]:
        """Kill it and take what was not synced; the next start is on another boot."""
        assert self._has_journal, "the rig was made without one"
        self.kill()
        self._boots += 1
        return lose_power(self.data_dir, self.journal, rng)

    def set_clock(self, offset_ms: int) -> None:
        """Shift its wall clock from now on; written in place, as the broker has it mapped."""
        if not self.clock.exists():
            self.clock.write_bytes(bytes(8))
        with self.clock.open("r+b") as file:
            file.write(offset_ms.to_bytes(8, "little", signed=True))
