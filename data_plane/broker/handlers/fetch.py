"""Fetch (key 1) v4-18. v5: log start offset. v7: sessions (KIP-227). v9: leader epoch.
v10: zstd. v11: rack, preferred replica. v12: flexible. v13: topic ids. v16: leaders (KIP-951).
v18: how far a follower knows the high watermark, which ours do not say (KIP-1166).
"""

from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.dispatch import CloseConnection
from data_plane.broker.fetch_sessions import FetchCaller
from data_plane.broker.parked_fetch import ParkedFetch, ended
from data_plane.broker.replica_fetch import ReplicaFetch, follower_name
from data_plane.broker.reply import Parts
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.hot.fetch import CONSUMER, IDS_FROM, read_fetch, write_head
from data_plane.replication.waiting import Parked

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 1, range(4, 19)
IS_RAW = True


def handle(broker: "Broker", ctx: RequestContext, body: memoryview) -> Parts | Parked:
    """Read as far as this kind of reader may see; park until min_bytes are there, max_wait is over,
    or any partition fails (DelayedFetch)."""
    call = read_fetch(body, ctx.api_version)
    is_replica = call.replica_id > CONSUMER
    if is_replica and not ctx.is_internal:
        raise CloseConnection("followers do not fetch on a listener for clients (CVE-2018-1288)")
    principal = follower_name(call) if is_replica else ctx.principal
    caller = FetchCaller(
        principal, ctx.api_version >= IDS_FROM, broker.image, ctx.now_ms, is_replica
    )
    try:
        view = broker.fetch_sessions.begin(call, caller)
    except KafkaError as error:
        return ended(write_head(ctx.api_version, error.code, 0), ctx.api_version)
    fetch = (ReplicaFetch if is_replica else ParkedFetch)(broker, ctx, call, view)
    return fetch.answer() if fetch.is_due() else fetch
