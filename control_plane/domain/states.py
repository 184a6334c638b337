"""The life of an add-on, in Heroku's words, with `failed` added, and its topics' states."""

from enum import StrEnum


class AddonState(StrEnum):
    PROVISIONING = "provisioning"
    PROVISIONED = "provisioned"
    DEPROVISIONING = "deprovisioning"
    DEPROVISIONED = "deprovisioned"
    FAILED = "failed"  # provisioning was given up and undone; `state_reason` says why


class TopicState(StrEnum):
    CREATING = "creating"
    AVAILABLE = "available"
    UPDATING = "updating"
    DELETING = "deleting"
    DELETED = "deleted"
    FAILED = "failed"  # never came to be; `error` says why


class OperationState(StrEnum):
    PENDING = "pending"  # not yet claimed
    RUNNING = "running"  # claimed at least once, steps going forward
    UNWINDING = "unwinding"  # a step reached its limit; done steps are being undone in reverse
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"  # overtaken, as a provisioning is by addons:destroy


LIVE = (OperationState.PENDING, OperationState.RUNNING, OperationState.UNWINDING)
