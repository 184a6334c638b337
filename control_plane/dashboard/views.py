"""What pages show, as plain values; templates compute nothing."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from control_plane.dashboard.figures import Figure


@dataclass(frozen=True, slots=True)
class State:
    """A state told three ways: word, shape, colour."""

    word: str
    tone: str  # ok, busy, warn, bad, off
    icon: str


def state(word: str, tone: str) -> State:
    return State(word, tone, tone)


@dataclass(frozen=True, slots=True)
class FleetRow:
    id: uuid.UUID  # the add-on's, as in the data API
    name: str
    app: str
    plan: str
    version: str
    state: State
    note: str
    brokers_ready: int
    brokers_total: int
    topic_count: int
    bytes_in: Figure | None
    bytes_out: Figure | None
    spark_in: Sequence[str]
    spark_out: Sequence[str]
    cost: str


@dataclass(frozen=True, slots=True)
class Fleet:
    rows: Sequence[FleetRow]
    available_count: int
    attention_count: int
    bytes_in: Figure | None
    bytes_out: Figure | None
    cost: str


@dataclass(frozen=True, slots=True)
class Bar:
    """How much of a limit is used; no limit text: there is no limit."""

    label: str
    used_text: str
    limit_text: str
    percent: float
    tone: str


@dataclass(frozen=True, slots=True)
class BrokerView:
    id: int
    address: str
    note: str
    state: State
    seen_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class TopicView:
    name: str
    state: State
    error: str
    partition_count: int
    replication_factor: int
    size: Figure | None
    bytes_in: Figure | None
    bytes_out: Figure | None
    retention: str


@dataclass(frozen=True, slots=True)
class StepView:
    state: State
    took: str


@dataclass(frozen=True, slots=True)
class OperationView:
    title: str
    state: State
    reason: str
    progress: str
    started_at: dt.datetime
    took: str
    steps: Sequence[StepView]


@dataclass(frozen=True, slots=True)
class Plot:
    """The throughput chart as a picture, for before scripts run."""

    has_samples: bool
    bytes_in: Sequence[str]
    bytes_out: Sequence[str]
    top_text: str
    start_text: str
    end_text: str


@dataclass(frozen=True, slots=True)
class ClusterView:
    id: uuid.UUID
    name: str
    app: str
    plan: str
    version: str
    created_at: dt.datetime
    state: State
    sentence: str
    reasons: Sequence[str]
    bytes_in: Figure | None
    bytes_out: Figure | None
    records_in: Figure | None
    bars: Sequence[Bar]
    brokers: Sequence[BrokerView]
    topics: Sequence[TopicView]
    operations: Sequence[OperationView]
    cost: str
    price_hour: str
    price_month: str


@dataclass(frozen=True, slots=True)
class TopicForm:
    """A form as filled in, with what was wrong or done."""

    name: str = ""
    partition_count: str = ""
    retention: str = ""
    compaction: bool = False
    problem: str = ""
    field: str = ""
    done: str = ""


@dataclass(frozen=True, slots=True)
class TopicLimits:
    """What the plan allows, for the form's hints."""

    partitions_default: int
    partitions_per_topic_max: int
    retention_default: str
    retention_min: str
    retention_max: str


NO_FORM = TopicForm()
