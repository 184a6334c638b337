"""Open a broker from its data directory, in the order durability.md 3 asks for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath
from random import Random
from uuid import UUID

from data_plane.broker.broker import Broker
from data_plane.broker.config import BrokerConfig
from data_plane.broker.metadata_host import MetadataHost
from data_plane.broker.metadata_port import Metadata
from data_plane.broker.static_configs import static_configs
from data_plane.log import restart
from data_plane.log.failures import DirectoryRefused
from data_plane.log.files import Files
from data_plane.log.identity import Identity, read_identity
from data_plane.log.log_dir import LogDir
from data_plane.metadata.brokers import decide_register_broker
from data_plane.metadata.controller import Controller
from data_plane.metadata.features import supported_ranges, supported_up_to
from data_plane.metadata.records import BrokerListener, RegisterBrokerRecord, RestartKind
from data_plane.raft.durable import RaftDisk
from data_plane.raft.voters import Voter, VoterKey, VoterSet
from data_plane.replication.cleaners import Cleaner
from data_plane.replication.executor import Executor
from data_plane.replication.peers import Peers

METADATA_DIRECTORY = "metadata"
RESTART_KINDS = {
    restart.RestartKind.CLEAN: RestartKind.CLEAN,
    restart.RestartKind.PROCESS_CRASH: RestartKind.PROCESS_CRASH,
    restart.RestartKind.POWER_LOSS: RestartKind.POWER_LOSS,
    restart.RestartKind.NEW_DIRECTORY: RestartKind.NEW_DIRECTORY,
}


class StartAbandoned(Exception):
    """The process was told to stop while it recovered its logs; the next start begins anew."""


def never() -> bool:
    """Nobody stops this start."""
    return False


def open_broker(
    config: BrokerConfig,
    files: Files,
    executor: Executor,
    *,
    listeners: tuple[BrokerListener, ...],
    rng: Random,
    now_ms: int,
    boot_id: str,
    on_failure: Callable[[BaseException], None],
    cleaner: Cleaner | None = None,
    peers: Peers | None = None,
    is_stopped: Callable[[], bool] = never,
) -> Broker:
    """Claim the directory, replay the metadata, register, recover; then the broker may serve.

    listeners: as advertised. cleaner: None compacts in place. peers: None: this
    broker is alone. is_stopped: asked behind each log that is recovered. Blocks.
    Raises DirectoryRefused, DamagedLog, LogFailure or StartAbandoned.
    """
    root = PurePath(config.data_dir)
    config, log_dir = open_log_dir(config, files, rng=rng, boot_id=boot_id)
    try:
        controller = Controller.open(
            files,
            root / METADATA_DIRECTORY,
            voter_id=config.broker_id,
            directory_id=log_dir.identity.directory_id,
            cluster_id=config.cluster_id,
            rng=rng,
            is_distrusted=log_dir.is_distrusted,
        )
        controller.static = static_configs(config)
        if not (controller.node.is_voter and len(controller.node.voters) == 1):
            raise DirectoryRefused(
                f"{root} belongs to broker {config.broker_id} of a cluster of several; start it "
                "with that cluster's configuration"
            )
        if log_dir.partitions() and not controller.committed.brokers:
            raise metadata_is_missing(root)
        register(config, controller, log_dir, listeners, rng)
        metadata = MetadataHost(
            controller,
            executor,
            on_failure=on_failure,
            log_bytes_max=config.limits.metadata_log_bytes_max,
        )
        return recovered(
            config,
            log_dir,
            metadata,
            executor,
            rng=rng,
            now_ms=now_ms,
            on_failure=on_failure,
            cleaner=cleaner,
            peers=peers,
            is_stopped=is_stopped,
        )
    except BaseException as error:
        log_dir.abandon(error)
        raise


def recovered(
    config: BrokerConfig,
    log_dir: LogDir,
    metadata: Metadata,
    executor: Executor,
    *,
    rng: Random,
    now_ms: int,
    on_failure: Callable[[BaseException], None],
    cleaner: Cleaner | None,
    peers: Peers | None,
    is_stopped: Callable[[], bool] = never,
) -> Broker:
    """A broker on what the metadata say now, its logs reopened. Blocks.

    The image must hold this incarnation's registration: partitions that it does not know are
    deleted. Raises DamagedLog, LogFailure or StartAbandoned.
    """
    broker = Broker(
        config,
        log_dir,
        metadata,
        executor,
        rng=rng,
        now_ms=now_ms,
        on_failure=on_failure,
        cleaner=cleaner,
        peers=peers,
    )
    for _ in broker.recover():
        if is_stopped():
            raise StartAbandoned
    return broker


def open_controller(
    config: BrokerConfig, files: Files, log_dir: LogDir, *, rng: Random
) -> Controller:
    """The quorum's node of a broker among others: voter or observer, as its log says.

    An empty directory becomes a voter if the configuration names it as one of the initial voters,
    an observer if it names others, and a quorum of its own if it names nobody. Blocks.
    Raises DirectoryRefused, DamagedLog or LogFailure.
    """
    assert config.quorum_listener is not None, "a broker alone opens its own quorum"
    directory = log_dir.root / METADATA_DIRECTORY
    directory_id = log_dir.identity.directory_id
    if log_dir.partitions() and RaftDisk(files, directory).is_empty:
        raise metadata_is_missing(log_dir.root)
    named = VoterSet(
        tuple(
            Voter(VoterKey(one.broker_id, one.directory_id), one.quorum_address)
            for one in sorted(config.initial_voters, key=lambda one: one.broker_id)
        )
    )
    initial = named if (config.broker_id, directory_id) in named else VoterSet()
    controller = Controller.open(
        files,
        directory,
        voter_id=config.broker_id,
        directory_id=directory_id,
        cluster_id=config.cluster_id,
        address=config.quorum_listener.reached_at,
        initial_voters=initial if config.initial_voters or config.join else None,
        rng=rng,
        is_distrusted=log_dir.is_distrusted,
    )
    controller.static = static_configs(config)
    return controller


def open_log_dir(
    config: BrokerConfig, files: Files, *, rng: Random, boot_id: str
) -> tuple[BrokerConfig, LogDir]:
    """Claim the data directory; returns the configuration with its cluster id.

    Raises DirectoryRefused: in use, or of another cluster, broker or directory id.
    """
    root = PurePath(config.data_dir)
    config = replace(config, cluster_id=cluster_id_of(config, files, root, rng))
    identity = Identity(config.cluster_id, config.broker_id, config.directory_id or new_id(rng))
    log_dir = LogDir.open(
        files, root, identity, boot_id=boot_id, disk_bytes_max=config.disk_bytes_max
    )
    found = log_dir.identity.directory_id
    if config.directory_id not in (None, found):
        log_dir.close(is_clean=False)
        raise DirectoryRefused(f"{root} has directory id {found}, not {config.directory_id}")
    return config, log_dir


def metadata_is_missing(root: PurePath) -> DirectoryRefused:
    return DirectoryRefused(
        f"{root} holds partitions but its metadata log is missing or empty; restore "
        f"{METADATA_DIRECTORY}/ or start with another directory"
    )


def cluster_id_of(config: BrokerConfig, files: Files, root: PurePath, rng: Random) -> str:
    """The configured cluster, else the directory's own, else a new one."""
    if config.cluster_id:
        return config.cluster_id
    found = read_identity(files, root)
    return str(new_id(rng)) if found is None else found.cluster_id


def register(
    config: BrokerConfig,
    controller: Controller,
    log_dir: LogDir,
    listeners: tuple[BrokerListener, ...],
    rng: Random,
) -> None:
    """Make this incarnation known; nothing is served before the record is committed."""
    record = registration_of(config, log_dir, listeners, rng)
    decision = decide_register_broker(controller.scope, record, next_offset=controller.next_offset)
    controller.append(decision.records)
    controller.drive()


def registration_of(
    config: BrokerConfig, log_dir: LogDir, listeners: tuple[BrokerListener, ...], rng: Random
) -> RegisterBrokerRecord:
    """What a new incarnation says of itself; its epoch is that of the one that stopped cleanly."""
    return RegisterBrokerRecord(
        broker_id=config.broker_id,
        incarnation_id=new_id(rng),
        broker_epoch=log_dir.last_clean_epoch,
        directory_id=log_dir.identity.directory_id,
        node_id=config.node_id,
        rack=config.rack or config.node_id,
        listeners=listeners,
        features=supported_ranges(supported_up_to(config.ottla_version_max)),
        restart_kind=RESTART_KINDS[log_dir.restart_kind],
        spec_broker_count=max(config.spec_broker_count, len(config.initial_voters)),
    )


def new_id(rng: Random) -> UUID:
    return UUID(int=rng.getrandbits(128), version=4)
