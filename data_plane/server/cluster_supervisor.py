"""Runs the brokers of a cluster as processes of this machine, and starts those that die again."""

import asyncio
import ctypes
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from data_plane.log.files import DiskFiles
from data_plane.security.principals import ANONYMOUS
from data_plane.server.cluster_plan import ClusterPlan, Member
from data_plane.server.stop_signals import STOP_TOGETHER

RESTART_S_MIN, RESTART_S_MAX = 0.25, 4.0  # a killed broker is back within five seconds
HEALTHY_S = 30.0  # who has lived so long is started again at once
STOP_S_MAX = 45.0
PR_SET_PDEATHSIG = 1


class BrokerEnded(Exception):
    """A broker ended before the cluster was ready; its last words are on stderr."""

    def __init__(self, broker_id: int, exit_code: int) -> None:
        super().__init__(f"broker {broker_id} ended with exit code {exit_code}")
        self.exit_code = exit_code


class Supervisor:
    """One process per broker, until `stop` is set.

    say: prints a line for whoever started the cluster. configs: the file of each broker's `run`.
    """

    def __init__(
        self,
        plan: ClusterPlan,
        files: DiskFiles,
        *,
        document_of: Callable[[ClusterPlan, Member], Mapping[str, Any]],
        say: Callable[[str], None],
        new_id: Callable[[], UUID],
    ) -> None:
        self._plan = plan
        self._files = files
        self._document_of = document_of
        self._say = say
        self._new_id = new_id
        self._stop = asyncio.Event()
        self._served: set[int] = set()
        self._is_ready = False

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        """Until `stop`; then every broker is stopped cleanly, within a limit.

        Raises BrokerEnded if one of them ends before all of them serve.
        """
        tasks = [asyncio.create_task(self._keep(member.broker_id)) for member in self._plan.members]
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stop.set()
            stopping.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _keep(self, broker_id: int) -> None:
        """Start one broker again and again, slower while it does not live long."""
        pause_s = RESTART_S_MIN
        while not self._stop.is_set():
            began_s = asyncio.get_running_loop().time()
            process = await self._start(broker_id)
            exit_code = await self._watch(broker_id, process)
            if self._stop.is_set():
                return
            if not self._is_ready and broker_id not in self._served:
                raise BrokerEnded(broker_id, exit_code)
            lived_s = asyncio.get_running_loop().time() - began_s
            pause_s = RESTART_S_MIN if lived_s > HEALTHY_S else min(pause_s * 2, RESTART_S_MAX)
            self._say(f"broker {broker_id} ended ({exit_code}); starting it again")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause_s)

    async def _start(self, broker_id: int) -> asyncio.subprocess.Process:
        """Each start looks at the directory: one that is lost comes back as a new one."""
        noted = self._plan.noted(self._new_id)
        if noted != self._plan:
            self._plan = noted
            noted.save(self._files)
        document = self._document_of(noted, noted.members[broker_id])
        config_file = noted.config_file(broker_id)
        write_private(config_file, json.dumps(document, indent=1))
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "data_plane.server.main",
            "run",
            "--config",
            str(config_file),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # A terminal's Ctrl-C reaches us alone; we stop them in order.
            preexec_fn=end_with_parent,
        )

    async def _watch(self, broker_id: int, process: asyncio.subprocess.Process) -> int:
        """Wait for its end, or bring it about when we are to stop; returns the exit code."""
        reading = asyncio.create_task(self._read(broker_id, process))
        ending = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([ending, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ending.done():
            process.send_signal(STOP_TOGETHER)
            await asyncio.wait([ending], timeout=STOP_S_MAX)
        if not ending.done():
            self._say(f"broker {broker_id} does not stop; killing it")
            process.kill()
        exit_code = await ending
        await reading
        return exit_code

    async def _read(self, broker_id: int, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None, "it is a pipe"
        while line := await process.stdout.readline():
            word, _, address = line.decode(errors="replace").strip().partition(" ")
            if word == "ready":
                self._serves(broker_id, address)

    def _serves(self, broker_id: int, address: str) -> None:
        if broker_id in self._served:
            self._say(f"broker {broker_id} serves again on {address}")
            return
        self._served.add(broker_id)
        self._say(f"broker {broker_id} {address}")
        if len(self._served) == len(self._plan.members):
            self._is_ready = True
            noted = self._plan.noted(self._new_id)
            if noted != self._plan:
                self._plan = noted
                noted.save(self._files)
            self._say("ready")


def end_with_parent() -> None:
    """In the child: end when the supervisor does, however that ends (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, STOP_TOGETHER, 0, 0, 0)


def write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)


def broker_document(
    plan: ClusterPlan,
    member: Member,
    *,
    host: str,
    base_port: int,
    advertise: str,
    sockets: Path,
    common: Mapping[str, Any],
    metrics_port: int | None = None,
) -> dict[str, Any]:
    """The configuration file of one broker, as server/config_file.py reads it.

    metrics_port: of broker 0; the others follow it.
    """

    def quorum_address(broker_id: int) -> str:
        return f"unix:{sockets}/quorum-{broker_id}.sock"

    return {
        "data_dir": str(plan.directory(member.broker_id)),
        "broker_id": member.broker_id,
        "cluster_id": plan.cluster_id,
        "directory_id": member.directory_id,
        "listeners": [
            {
                "name": "PLAINTEXT",
                "bind": host,
                "port": base_port + member.broker_id,
                "advertised_host": advertise,
            }
        ],
        "internal_listener": {"address": f"unix:{sockets}/internal-{member.broker_id}.sock"},
        "quorum_listener": {"address": quorum_address(member.broker_id)},
        "initial_voters": [
            {
                "broker_id": one.broker_id,
                "directory_id": one.voted_as,
                "quorum_address": quorum_address(one.broker_id),
            }
            for one in plan.members
            if one.voted_as
        ],
        "spec_broker_count": len(plan.members),
        "super_users": [ANONYMOUS],
        **({} if metrics_port is None else {"metrics_port": metrics_port + member.broker_id}),
        **common,
    }
