"""Desired state, control plane to node agent: a whole document each time, never a patch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from data_plane.contract.versions import CONTRACT_VERSION


class ContractModel(BaseModel):
    """Refuses unknown fields: what a side does not know is kept out by version, not guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SealedSecret(ContractModel):
    """Bytes only the addressed node can open (X25519 + ChaCha20-Poly1305), base64 each."""

    ephemeral_public_key: str
    nonce: str
    ciphertext: str


class TopicSpec(ContractModel):
    """One topic as it should be; `configs` holds the overrides, by Kafka's names."""

    name: str
    partition_count: int = Field(ge=1)
    replication_factor: int = Field(ge=1)
    configs: dict[str, str] = {}


class AclSpec(ContractModel):
    """One ACL binding, in Kafka's words (upper case, as in Kafka's tools)."""

    resource_type: Literal["TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID"]
    resource_name: str
    pattern_type: Literal["LITERAL", "PREFIXED"] = "LITERAL"
    operation: str  # READ, WRITE, DESCRIBE, DELETE, CREATE, ALTER, DESCRIBE_CONFIGS, ...
    permission: Literal["ALLOW", "DENY"] = "ALLOW"
    host: str = "*"


class PrincipalSpec(ContractModel):
    """A client identity, everything it may do, and how fast.

    ACLs and quotas of unlisted principals are removed.
    """

    name: str  # "User:CN=<credential id>,O=<cluster id>"
    acls: list[AclSpec] = []
    quotas: dict[str, float] = {}  # by Kafka's names, such as producer_byte_rate (bytes per second)


class BrokerSpec(ContractModel):
    """One broker process of a cluster on this node."""

    broker_id: int = Field(ge=0)
    advertised_host: str
    # Client (TLS) listener; 0 = the agent picks a free port of its range, keeps it and reports it.
    port: int = Field(default=0, ge=0, le=65535)
    certificate_pem: str  # server certificate chain: advertised host, localhost, 127.0.0.1, ::1
    key: SealedSecret  # its private key, PEM
    rack: str | None = None
    # Not yet one of `members`: the agent picks its ports and reports them; it is started later.
    is_candidate: bool = False


class FormedAs(ContractModel):
    """What a first voter was when the cluster was formed, where it has been moved since.

    The first voters are in every broker's file, and the same for ever: whoever begins with an empty
    directory is told by them that the cluster is there already.
    """

    directory_id: str
    host: str
    quorum_port: int = Field(ge=0, le=65535)


class MemberSpec(ContractModel):
    """One broker of a cluster that has several, as its peers must know it."""

    broker_id: int = Field(ge=0)
    # Of its first data directory, UUID text: an agent that loses a directory makes up a new id.
    directory_id: str
    is_first_voter: bool = False  # one of those that form the metadata quorum of a new cluster
    # Where the others reach it, in a cluster over several nodes; "" and 0 where all are on one.
    host: str = ""
    internal_port: int = Field(default=0, ge=0, le=65535)
    quorum_port: int = Field(default=0, ge=0, le=65535)
    formed_as: FormedAs | None = None  # None: it is where it began, or was no first voter


class TurnSpec(ContractModel):
    """The right to restart one broker, used or given back once (`ClusterStatus.turn_done`)."""

    number: int = Field(ge=1)  # grows by one with each turn of the cluster
    broker_id: int = Field(ge=0)


class ClusterSpec(ContractModel):
    """One Kafka cluster's share on this node."""

    cluster_id: str  # UUID text; also the O= of every certificate of the cluster
    engine: Literal["embedded", "apache-kafka"] = "embedded"
    generation: int = Field(ge=1)  # this cluster's own; grows with each change to it
    desired: Literal["running", "absent"] = "running"  # absent: stop, remove files and certificates
    trusted_ca_pem: str = (
        ""  # one or more PEM blocks: client certificates are checked against these
    )
    admin_certificate_pem: str = ""  # the agent's own client certificate for the admin protocol
    admin_key: SealedSecret | None = None
    admin_principal: str = ""  # super user on the brokers
    # Of the agents of all nodes: each asks brokers of other nodes, too. Super users as well.
    admin_principals: list[str] = []
    brokers: list[BrokerSpec] = []
    # Every broker of a cluster of several, on whatever node; empty where one is the whole cluster.
    members: list[MemberSpec] = []
    # How the brokers talk to each other: socket files of one node, or mutual TLS between nodes.
    peers: Literal["sockets", "tls"] = "sockets"
    # What the brokers shall run; "" is whatever software the node has. A node that has other
    # software than is named here leaves brokers that run as they are, and says so.
    software_version: str = ""
    # Behind a roll to newer software `ottla.version` is raised, and there is no way back to the
    # software before; False: it stays, until the way back is not needed any more.
    finalizes: bool = True
    # Whose turn it is in a roll over several nodes; None: nobody's. On one node the agent takes
    # turns by itself.
    turn: TurnSpec | None = None
    topics: list[TopicSpec] = []
    principals: list[PrincipalSpec] = []
    disk_bytes_max: int | None = None
    broker_configs: dict[str, str] = {}  # static broker settings, by Kafka's names


class NodeSpec(ContractModel):
    """Everything one node should run."""

    contract_version: int = CONTRACT_VERSION
    node_id: str
    generation: int = Field(ge=0)  # the node's; an agent refuses an older one
    clusters: list[ClusterSpec] = []
