"""Topics in wire form, as Metadata tells them: a row is encoded once per change of its topic.

A row depends on the topic, on who of the brokers is there, on the listener, the version and what
the asker may do. Images share what did not change, so a row holds for as long as the image has the
very same topic and the same brokers are there: nothing has to be told that anything changed. A list
of all topics depends also on the rules that hide some; it is kept for all askers of equal standing.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

from data_plane.broker.context import RequestContext
from data_plane.broker.metadata_rows import TopicRows
from data_plane.metadata.image import MetadataImage, TopicImage
from data_plane.metadata.records import RegisterBrokerRecord
from data_plane.protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponseTopic,
)
from data_plane.protocol.schema import EncodedRows, part_encoder
from data_plane.security.acls import AclAuthorizer

ENTRY_BYTES = 300  # what a remembered row or list takes beside its own bytes


class _Row(NamedTuple):
    topic: TopicImage
    encoded: bytes


class MetadataCache:
    """What one broker has encoded; dropped as a whole when it holds `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._brokers: Mapping[int, RegisterBrokerRecord] | None = None
        self._present: set[tuple[object, ...]] = set()  # ids and listeners of those brokers
        self._topics: Mapping[str, TopicImage] | None = None
        self._authorizer: AclAuthorizer | None = None
        self._encoders: dict[tuple[str, int], Callable[[TopicImage, int], bytes]] = {}
        self._rows: dict[tuple[str, int, str, int], _Row] = {}
        self._lists: dict[Hashable, EncodedRows] = {}

    def row(
        self, image: MetadataImage, ctx: RequestContext, topic: TopicImage, operations: int
    ) -> bytes:
        """One topic of `image`; `operations` is the bitfield of KIP-430 or its absence."""
        if self._brokers is not image.brokers:
            self._look_at_brokers(image)
        key = (ctx.listener, ctx.api_version, topic.name, operations)
        found = self._rows.get(key)
        if found is not None and found.topic is topic:
            return found.encoded
        encode = self._encoders.get((ctx.listener, ctx.api_version))
        if encode is None:
            encode = self._encoders[ctx.listener, ctx.api_version] = _encoder(image, ctx)
        encoded = encode(topic, operations)
        if found is not None:
            self._bytes -= len(found.encoded) + ENTRY_BYTES
        self._make_room(len(encoded))
        self._rows[key] = _Row(topic, encoded)
        return encoded

    def all_rows(
        self,
        image: MetadataImage,
        authorizer: AclAuthorizer,
        key: Hashable,
        rows: Callable[[], list[bytes]],
    ) -> EncodedRows:
        """All topics that an asker may see; `rows` gives them where they are not remembered.

        key: everything besides image and authorizer that `rows` depends on.
        """
        self._look_at(image, authorizer)
        found = self._lists.get(key)
        if found is None:
            encoded = rows()
            found = EncodedRows(len(encoded), b"".join(encoded))
            self._make_room(len(found.data))
            self._lists[key] = found
        return found

    def has_all_rows(self, image: MetadataImage, authorizer: AclAuthorizer, key: Hashable) -> bool:
        """`all_rows` would find its list remembered."""
        self._look_at(image, authorizer)
        return key in self._lists

    def _look_at(self, image: MetadataImage, authorizer: AclAuthorizer) -> None:
        if self._brokers is not image.brokers:
            self._look_at_brokers(image)
        if self._topics is not image.topics or self._authorizer is not authorizer:
            self._forget_lists()
            self._topics, self._authorizer = image.topics, authorizer

    def _look_at_brokers(self, image: MetadataImage) -> None:
        """Any row may name who came or went; where a broker is reached, rows do not tell."""
        self._brokers = image.brokers
        present = {
            (broker.broker_id, *(listener.name for listener in broker.listeners))
            for broker in image.live_brokers()
        }
        if present != self._present:
            self._present = present
            self._clear()
            self._encoders.clear()

    def _forget_lists(self) -> None:
        self._bytes -= sum(len(rows.data) + ENTRY_BYTES for rows in self._lists.values())
        self._lists.clear()

    def _make_room(self, size_bytes: int) -> None:
        """Rows of topics that are gone stay until then; what is in use is soon back."""
        if self._bytes + size_bytes + ENTRY_BYTES > self._bytes_max:
            self._clear()
        self._bytes += size_bytes + ENTRY_BYTES

    def _clear(self) -> None:
        self._rows.clear()
        self._lists.clear()
        self._bytes = 0


def _encoder(image: MetadataImage, ctx: RequestContext) -> Callable[[TopicImage, int], bytes]:
    """How rows are written for one listener and version while the brokers stay as they are."""
    shown = TopicRows(image, ctx)
    encode = part_encoder(MetadataResponseTopic, MetadataResponse, ctx.api_version)
    return lambda topic, operations: encode(shown.row(topic, operations))
