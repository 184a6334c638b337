"""The data API's cluster, field for field what Kafka command lines of Heroku's family read.

Keys with a question mark are theirs. `limits`, `robot`, `state` and `capabilities` must be objects.
"""

from pydantic import Field

from control_plane.api.schemas.bodies import Body, Moment, Out
from control_plane.api.schemas.operations import OperationOut
from control_plane.domain.plans import Plan


class ClusterStateOut(Out):
    message: str
    is_waiting: bool = Field(alias="waiting?")
    is_healthy: bool = Field(alias="healthy?")
    status: str
    degraded_topics: list[str] = []
    degraded_brokers: list[int] = []


class DataSizeLimits(Out):
    """Percentages of limit_bytes: warn, warn daily, stop writes."""

    subcritical_percentage: int = 80
    critical_percentage: int = 100
    supercritical_percentage: int = 120
    limit_bytes: int


class ClusterLimits(Out):
    minimum_replication: int
    maximum_replication: int
    minimum_retention_ms: int
    default_retention_ms: int
    maximum_retention_ms: int
    max_partition_replica_count: int
    max_number_of_total_partitions: int
    max_number_of_partitions_per_topic: int
    max_number_of_topics: int | None
    max_topics: int | None
    data_size: DataSizeLimits
    produce_quota_bytes_per_second: int | None
    consume_quota_bytes_per_second: int | None


class Formation(Out):
    id: str
    kafkas: list[str]  # host:port of each broker
    zookeepers: list[str] = []  # none: the metadata quorum lives in the brokers


class Defaults(Out):
    partition_count: int
    retention_time_ms: int


class Robot(Out):
    is_robot: bool = False
    robot_ttl: int | None = None


class Capabilities(Out):
    supports_mixed_cleanup_policy: bool = True


class ClusterOut(Out):
    addon_id: str
    name: str
    attachment_name: str | None
    created_at: Moment
    state: ClusterStateOut
    plan: str
    engine: str
    version: list[str]
    limits: ClusterLimits
    metaas_source: str | None = None
    messages_in_per_sec: int
    bytes_in_per_sec: int
    bytes_out_per_sec: int
    partition_replica_count: int
    data_size: int
    topics: list[str]
    admin_topic_names: list[str] = []
    shared_cluster: bool
    topic_prefix: str | None = None
    customer_encryption_key: str | None = None
    formation: Formation
    defaults: Defaults
    robot: Robot = Robot()
    capabilities: Capabilities = Capabilities()


class WaitStatus(Out):
    """A hard failure is `error?` with 200: on an HTTP status the command line waits for ever."""

    is_waiting: bool = Field(alias="waiting?")
    is_error: bool = Field(default=False, alias="error?")
    is_deprovisioned: bool = Field(default=False, alias="deprovisioned?")
    is_missing: bool = Field(default=False, alias="missing?")
    is_healthy: bool = Field(default=False, alias="healthy?")
    message: str


def limits_of(plan: Plan) -> ClusterLimits:
    return ClusterLimits(
        minimum_replication=plan.replication_factor_min,
        maximum_replication=plan.replication_factor_max,
        minimum_retention_ms=plan.retention_ms_min,
        default_retention_ms=plan.retention_ms_default,
        maximum_retention_ms=plan.retention_ms_max,
        max_partition_replica_count=plan.partition_replicas_max,
        max_number_of_total_partitions=plan.partition_replicas_max,
        max_number_of_partitions_per_topic=plan.partitions_per_topic_max,
        max_number_of_topics=plan.topics_max,
        max_topics=plan.topics_max,
        data_size=DataSizeLimits(limit_bytes=plan.disk_bytes),
        produce_quota_bytes_per_second=plan.produce_bytes_per_s,
        consume_quota_bytes_per_second=plan.consume_bytes_per_s,
    )


class UpgradeWish(Body):
    """No version: what the cluster's nodes have."""

    version: str | None = Field(default=None, pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$")


class UpgradeAccepted(Out):
    """202: its brokers are restarted one after the other; no operation: they run it already."""

    message: str
    version: str
    operation: OperationOut | None
