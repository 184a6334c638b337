"""The KIP-848 groups of one shard: found, made, replayed and taken back."""

from collections.abc import Callable, Iterator

from data_plane.coordinator.consumer_group import ConsumerGroup
from data_plane.coordinator.consumer_group_records import (
    ConsumerGroupRecord,
    Kind,
    Removed,
)
from data_plane.coordinator.group_config import GroupConfig
from data_plane.protocol.errors import ErrorCode


class ConsumerGroups:
    """group id -> group; each is here from the replay of its first record to that of its last."""

    def __init__(self, config_of: Callable[[str], GroupConfig]) -> None:
        """config_of: a group's settings as they are now; groups may have some of their own."""
        self._config_of = config_of
        self._groups: dict[str, ConsumerGroup] = {}

    def __iter__(self) -> Iterator[ConsumerGroup]:
        return iter(self._groups.values())

    def __contains__(self, group_id: object) -> bool:
        return group_id in self._groups

    def get(self, group_id: str) -> ConsumerGroup | None:
        group = self._groups.get(group_id)
        if group is not None:
            group.config = self._config_of(group_id)
        return group

    def new(self, group_id: str) -> ConsumerGroup:
        """A group that is nowhere yet: its first records bring it in."""
        return ConsumerGroup(group_id, self._config_of(group_id))

    def add(self, group: ConsumerGroup) -> None:
        """Keep the soft state of a group whose first records are about to be replayed."""
        self._groups[group.group_id] = group

    def replay(self, record: ConsumerGroupRecord) -> ConsumerGroup | None:
        """The group after the record; None if it has none any more."""
        group = self._groups.get(record.group_id)
        if isinstance(record, Removed):
            if group is None:
                return None
            if record.kind is Kind.GROUP:
                del self._groups[record.group_id]
                return None
        if group is None:
            group = self._groups[record.group_id] = self.new(record.group_id)
        group.replay(record)
        return group

    def check_fetch(self, group_id: str, member_id: str | None, epoch: int) -> ErrorCode:
        """May this caller read the group's offsets? Any may of a group that is not of this kind."""
        group = self._groups.get(group_id)
        return ErrorCode.NONE if group is None else group.check_fetch(member_id, epoch)
