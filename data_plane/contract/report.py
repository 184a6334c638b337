"""Observed state, node agent to control plane."""

from typing import Literal

from pydantic import Field

from data_plane.contract.metrics import MetricSample
from data_plane.contract.spec import ContractModel
from data_plane.contract.versions import CONTRACT_VERSION

Phase = Literal["pending", "starting", "ready", "draining", "failed", "absent"]


class Condition(ContractModel):
    """A named truth with a time: `Ready`, `TopicsApplied`, `AclsApplied`, `DiskPressure`, ..."""

    name: str
    status: bool
    reason: str = ""  # a word a program can compare: PortTaken, DiskFull, CrashLoop, ...
    message: str = ""  # a sentence for people, with the remedy
    since_ms: int


class BrokerStatus(ContractModel):
    broker_id: int
    phase: Phase
    port: int | None = None  # the client listener as it is
    internal_port: int | None = None  # for brokers of other nodes: replication and admin calls
    quorum_port: int | None = None  # for brokers of other nodes: the metadata quorum
    wants_restart: bool = False  # its settings changed, and it waits for its turn
    pid: int | None = None
    restarts: int = 0
    software_version: str = ""  # what its process runs, as it says itself


class TopicStatus(ContractModel):
    """A topic as the brokers describe it."""

    name: str
    partition_count: int
    replication_factor: int
    size_bytes: int = 0
    error: str = ""  # why the spec could not be applied to it, in words
    pending: str = ""  # what is on its way, in words: replicas that are being moved


class ClusterStatus(ContractModel):
    cluster_id: str
    observed_generation: int  # the ClusterSpec generation that is wholly applied; 0: none yet
    phase: Phase
    conditions: list[Condition] = []
    brokers: list[BrokerStatus] = []
    topics: list[TopicStatus] = []
    turn_done: int = 0  # number of the last turn that was used or given back
    # As the brokers here see the whole cluster; None: not known yet.
    feature_level: int | None = None  # finalized, of `ottla.version`
    voters_behind_count: int | None = None  # voters that lack something committed
    controller_id: int | None = None  # the active one
    live_brokers: list[int] | None = None  # that the active controller hears, of all nodes
    voters: list[int] | None = None  # of the metadata quorum
    out_of_sync_count: int | None = None  # partitions, internal ones too, that lack a replica


class NodeReport(ContractModel):
    """What an agent believes, posted at each change and at least every few seconds."""

    contract_version: int = CONTRACT_VERSION
    node_id: str
    observed_generation: int  # the NodeSpec generation last accepted
    boot_id: str = ""
    agent_version: str = ""
    disk_free_bytes: int = Field(default=0, ge=0)
    disk_total_bytes: int = Field(default=0, ge=0)
    clusters: list[ClusterStatus] = []
    samples: list[MetricSample] = []


class ReportReply(ContractModel):
    latest_generation: int  # if greater than the report's, the agent asks for the spec at once


class NodeRegistration(ContractModel):
    """A new node's first words; the one-time token travels as a Bearer token."""

    contract_version: int = CONTRACT_VERSION
    name: str
    signing_public_key: str  # Ed25519, base64 of the raw 32 bytes: every later request is signed
    sealing_public_key: str  # X25519, base64 of the raw 32 bytes: secrets are sealed to it
    advertised_host: str
    port_first: int
    port_last: int
    rack: str | None = None


class NodeRegistered(ContractModel):
    node_id: str
