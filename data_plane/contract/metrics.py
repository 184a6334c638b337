"""Metric samples as agents report them; the catalogue is data_plane/metric_names.py."""

from pydantic import Field

from data_plane.contract.spec import ContractModel


class MetricSample(ContractModel):
    """One reading. A counter's value grows until its process restarts; a gauge's is momentary."""

    name: str  # a key of metric_names.METRICS
    cluster_id: str
    broker_id: int
    at_ms: int  # Unix milliseconds on the node
    value: float
    topic: str | None = None  # None: the whole broker
    sequence: int = Field(ge=0)  # per node, grows by one per sample: makes storing repeatable
