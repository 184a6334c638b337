"""The desired state as last accepted, and as it lies on disk (static stability, C7)."""

from pydantic import ValidationError

from data_plane.agent.storage import Storage, write_atomically
from data_plane.contract.spec import ClusterSpec, ContractModel, NodeSpec
from data_plane.contract.versions import CONTRACT_VERSION


class SpecRefused(Exception):
    """A spec this agent must not apply; the message says why."""


class AcceptedSpec(ContractModel):
    """The node's spec, and clusters that vanished from it without ever being `absent`.

    Those keep running: a control plane restored from an old backup may have forgotten a cluster
    that holds data, and only the word `absent` removes one (C11).
    """

    node: NodeSpec
    unlisted: list[ClusterSpec] = []

    @property
    def clusters(self) -> dict[str, ClusterSpec]:
        return {spec.cluster_id: spec for spec in [*self.unlisted, *self.node.clusters]}


def accepted(current: AcceptedSpec, new: NodeSpec) -> AcceptedSpec | None:
    """Return what `new` makes of `current`; None where it is the generation already held.

    Raises SpecRefused for another node, an unknown contract version or an older generation, of
    the node or of any cluster: generations are the control plane's and only grow.
    """
    if new.node_id != current.node.node_id:
        raise SpecRefused(f"spec is for node {new.node_id}, this is {current.node.node_id}")
    if new.contract_version > CONTRACT_VERSION:
        raise SpecRefused(
            f"spec speaks contract version {new.contract_version}, this agent {CONTRACT_VERSION}: "
            "update the agent"
        )
    if new.generation == current.node.generation:
        return None
    if new.generation < current.node.generation:
        raise SpecRefused(
            f"spec generation {new.generation} is older than {current.node.generation}"
        )
    _refuse_older_clusters(current, new)
    listed = {spec.cluster_id for spec in new.clusters}
    forgotten = [
        spec
        for cluster_id, spec in current.clusters.items()
        if cluster_id not in listed and spec.desired != "absent"
    ]
    return AcceptedSpec(node=new, unlisted=forgotten)


def _refuse_older_clusters(current: AcceptedSpec, new: NodeSpec) -> None:
    for spec in new.clusters:
        held = current.clusters.get(spec.cluster_id)
        if held is not None and spec.generation < held.generation:
            raise SpecRefused(
                f"generation {spec.generation} of cluster {spec.cluster_id} is older than "
                f"{held.generation}"
            )


def load(storage: Storage, node_id: str) -> AcceptedSpec:
    """The spec on disk, or an empty one of generation 0 where there is none that fits."""
    empty = AcceptedSpec(node=NodeSpec(node_id=node_id, generation=0))
    try:
        stored = AcceptedSpec.model_validate_json((storage.root / "spec.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        # A damaged file is as good as none: the control plane sends the whole document again,
        # and brokers that run are left alone until then.
        return empty
    return stored if stored.node.node_id == node_id else empty


def save(storage: Storage, spec: AcceptedSpec) -> None:
    write_atomically(storage.root / "spec.json", spec.model_dump_json().encode())
