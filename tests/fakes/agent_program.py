"""The real agent process with a scripted engine and an admin port in memory.

Arguments: data directory, control plane URL, token file, FIRST-LAST ports; then, as in
`ottla-agent`, --stop-brokers-on-exit and --ca-file=FILE.
"""

import asyncio
import logging
import sys
from pathlib import Path

from data_plane.agent.config import AgentConfig, Limits, PortRange
from data_plane.agent.main import Tools, run
from data_plane.agent.storage import DirectoryInUse
from tests.fakes.memory_admin import MemoryAdmin
from tests.fakes.scripted_engine import ScriptedEngine


def main() -> None:
    directory, url, token_file, ports = sys.argv[1:5]
    ca_files = [word.partition("=")[2] for word in sys.argv if word.startswith("--ca-file=")]
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    config = AgentConfig(
        data_dir=Path(directory),
        control_plane_url=url,
        name="node-1",
        advertised_host="127.0.0.1",
        ports=PortRange.parse(ports),
        ca_file=Path(ca_files[0]) if ca_files else None,
        token_file=Path(token_file),
        stop_brokers_on_exit="--stop-brokers-on-exit" in sys.argv,
        limits=Limits(report_interval_s=0.2, retry_s_max=0.3, sample_interval_s=0.1),
    )
    try:
        asyncio.run(run(config, Tools({"embedded": ScriptedEngine()}, MemoryAdmin)))
    except DirectoryInUse as problem:
        raise SystemExit(str(problem)) from None


if __name__ == "__main__":
    main()
