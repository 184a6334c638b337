"""The start of a broker among others: its part in the quorum first, then everything else.

Nothing is opened, deleted or served before this broker's own image holds the registration of this
incarnation: an older image does not know what the partitions here are (durability.md 3).
"""

import asyncio
from collections.abc import Callable
from random import Random

from data_plane.broker.config import BrokerConfig
from data_plane.broker.startup import open_controller, registration_of
from data_plane.log.files import DiskFiles, Files
from data_plane.log.log_dir import LogDir
from data_plane.metadata.records import BrokerListener
from data_plane.server.quorum_thread import QuorumThread


async def join_cluster(
    config: BrokerConfig,
    files: Files,
    log_dir: LogDir,
    *,
    listeners: tuple[BrokerListener, ...],
    rng: Random,
    stop: asyncio.Event,
    on_failure: Callable[[BaseException], None],
) -> QuorumThread | None:
    """Start the quorum's thread and wait until this broker is registered; None: told to stop.

    Raises DirectoryRefused, DamagedLog, LogFailure, AddressRefused, TlsRefused.
    """
    # The cache of open files is for one thread; a test's files have none.
    own_files = DiskFiles() if type(files) is DiskFiles else files
    controller = open_controller(config, own_files, log_dir, rng=rng)
    thread = QuorumThread(
        config,
        controller,
        registration_of(config, log_dir, listeners, rng),
        main=asyncio.get_running_loop(),
        on_failure=on_failure,
    )
    thread.start()
    waits = [asyncio.ensure_future(event.wait()) for event in (thread.registered, stop)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if stop.is_set():
        thread.stop()
        return None
    return thread
