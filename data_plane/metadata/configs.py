"""The one catalogue of topic and broker config keys: name, type, default, limit, doc.

Names and meanings are Kafka's (4.x); the defaults of `flush.ms` (durability.md 1) and of
`log.cleaner.io.max.bytes.per.second`, which Kafka does not limit, are ours.
Docs, DescribeConfigs, checks and LogConfig are all read from here.
"""

from data_plane.metadata.config_keys import (
    LONG_MAX,
    ConfigKey,
    ConfigType,
    UpdateMode,
    at_least,
    between,
    catalogue,
    each_of,
    one_of,
)

_T = ConfigType
_MAX = str(LONG_MAX)
_CODECS = ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")

TOPIC_CONFIGS = catalogue(
    [
        ConfigKey(
            "ack.durability",
            _T.STRING,
            "safe",
            "When a record is committed: safe, once no single machine's loss can take it;"
            " replicated, by Kafka's own weaker rule",
            one_of("safe", "replicated"),
            "ack.durability",
        ),
        ConfigKey(
            "cleanup.policy",
            _T.LIST,
            "delete",
            "What happens to old records: deleted, or compacted to the last one per key",
            each_of("compact", "delete"),
            "log.cleanup.policy",
        ),
        ConfigKey(
            "compression.type",
            _T.STRING,
            "producer",
            "Codec in which batches are kept; producer keeps what the producer chose",
            one_of(*_CODECS),
            "compression.type",
        ),
        ConfigKey(
            "delete.retention.ms",
            _T.LONG,
            "86400000",
            "How long a tombstone outlives its compaction",
            at_least(0),
            "log.cleaner.delete.retention.ms",
        ),
        ConfigKey(
            "file.delete.delay.ms",
            _T.LONG,
            "60000",
            "How long a file outlives its removal from the log",
            at_least(0),
            "log.segment.delete.delay.ms",
        ),
        ConfigKey(
            "flush.messages",
            _T.LONG,
            _MAX,
            "Records after which a replica syncs; 1 commits by sync alone",
            at_least(1),
            "log.flush.interval.messages",
        ),
        ConfigKey(
            "flush.ms",
            _T.LONG,
            "1000",
            "Time after which a replica syncs in the background",
            at_least(0),
            "log.flush.interval.ms",
        ),
        ConfigKey(
            "index.interval.bytes",
            _T.INT,
            "4096",
            "Record bytes between two entries of the offset index",
            at_least(0),
            "log.index.interval.bytes",
        ),
        ConfigKey(
            "max.compaction.lag.ms",
            _T.LONG,
            _MAX,
            "Longest time a record may stay uncompacted",
            at_least(1),
            "log.cleaner.max.compaction.lag.ms",
        ),
        ConfigKey(
            "max.message.bytes",
            _T.INT,
            "1048588",
            "Largest record batch, as compressed, that is accepted",
            at_least(0),
            "message.max.bytes",
        ),
        ConfigKey(
            "message.timestamp.after.max.ms",
            _T.LONG,
            "3600000",
            "How far a record's timestamp may be ahead of the broker's clock",
            at_least(0),
            "log.message.timestamp.after.max.ms",
        ),
        ConfigKey(
            "message.timestamp.before.max.ms",
            _T.LONG,
            _MAX,
            "How far a record's timestamp may be behind the broker's clock",
            at_least(0),
            "log.message.timestamp.before.max.ms",
        ),
        ConfigKey(
            "message.timestamp.type",
            _T.STRING,
            "CreateTime",
            "Whose clock stamps records: the producer's or the broker's",
            one_of("CreateTime", "LogAppendTime"),
            "log.message.timestamp.type",
        ),
        ConfigKey(
            "min.cleanable.dirty.ratio",
            _T.DOUBLE,
            "0.5",
            "Share of uncompacted bytes from which compaction is worth it",
            between(0, 1),
            "log.cleaner.min.cleanable.ratio",
        ),
        ConfigKey(
            "min.compaction.lag.ms",
            _T.LONG,
            "0",
            "Shortest time a record stays uncompacted",
            at_least(0),
            "log.cleaner.min.compaction.lag.ms",
        ),
        ConfigKey(
            "min.insync.replicas",
            _T.INT,
            "1",
            "In-sync replicas without which acks=all is refused",
            at_least(1),
            "min.insync.replicas",
        ),
        ConfigKey(
            "preallocate",
            _T.BOOLEAN,
            "false",
            "Reserve a segment's disk space when it is created",
            None,
            "log.preallocate",
        ),
        ConfigKey(
            "retention.bytes",
            _T.LONG,
            "-1",
            "Size of a partition from which old segments are deleted; -1: no limit",
            at_least(-1),
            "log.retention.bytes",
        ),
        ConfigKey(
            "retention.ms",
            _T.LONG,
            "604800000",
            "Age from which segments are deleted; -1: no limit",
            at_least(-1),
            "log.retention.ms",
        ),
        ConfigKey(
            "segment.bytes",
            _T.INT,
            "1073741824",
            "Size at which a segment is rolled",
            at_least(14),
            "log.segment.bytes",
        ),
        ConfigKey(
            "segment.index.bytes",
            _T.INT,
            "10485760",
            "Size of the offset index at which a segment is rolled",
            at_least(4),
            "log.index.size.max.bytes",
        ),
        ConfigKey(
            "segment.jitter.ms",
            _T.LONG,
            "0",
            "Random time taken off segment.ms, so that not all segments roll at once",
            at_least(0),
            "log.roll.jitter.ms",
        ),
        ConfigKey(
            "segment.ms",
            _T.LONG,
            "604800000",
            "Age at which a segment is rolled",
            at_least(1),
            "log.roll.ms",
        ),
        ConfigKey(
            "unclean.leader.election.enable",
            _T.BOOLEAN,
            "false",
            "Prefer a leader that lost records to none at all",
            None,
            "unclean.leader.election.enable",
        ),
    ]
)


def _topic_defaults() -> list[ConfigKey]:
    """The broker keys that give topic keys their defaults: same type, limit and meaning."""
    return [
        ConfigKey(
            key.broker_key,
            key.type,
            key.default,
            f"{key.about} (default of {key.name} for all topics)",
            key.limit,
            update=UpdateMode.READ_ONLY if key.name == "segment.jitter.ms" else key.update,
        )
        for key in TOPIC_CONFIGS.values()
        if key.broker_key is not None
    ]


_RO = UpdateMode.READ_ONLY

BROKER_CONFIGS = catalogue(
    [
        *_topic_defaults(),
        ConfigKey("advertised.listeners", _T.STRING, None, "What clients are told", update=_RO),
        ConfigKey(
            "allow.everyone.if.no.acl.found",
            _T.BOOLEAN,
            "false",
            "Allow on resources that no ACL names",
            update=_RO,
        ),
        ConfigKey(
            "auto.create.topics.enable",
            _T.BOOLEAN,
            "false",
            "Create a topic when a client first asks for it",
            update=_RO,
        ),
        ConfigKey("broker.id", _T.INT, "-1", "This broker's id in its cluster", update=_RO),
        ConfigKey("broker.rack", _T.STRING, None, "Zone over which replicas spread", update=_RO),
        ConfigKey(
            "connections.max.idle.ms",
            _T.LONG,
            "600000",
            "How long a connection on which nothing moves is kept",
            at_least(1),
        ),
        ConfigKey(
            "connections.max.reauth.ms",
            _T.LONG,
            "0",
            "How long a SASL session lasts before the client must authenticate again; 0: for ever",
            at_least(0),
            update=_RO,
        ),
        ConfigKey(
            "controller.quorum.voters", _T.LIST, "", "Voters of the metadata quorum", update=_RO
        ),
        ConfigKey(
            "default.replication.factor",
            _T.INT,
            "1",
            "Replicas of a topic that is created with -1",
            at_least(1),
            update=_RO,
        ),
        ConfigKey("delete.topic.enable", _T.BOOLEAN, "true", "Topics may be deleted", update=_RO),
        ConfigKey(
            "fetch.max.bytes",
            _T.INT,
            "57671680",
            "Most bytes in one fetch answer",
            at_least(1024),
            update=_RO,
        ),
        ConfigKey(
            "group.consumer.heartbeat.interval.ms",
            _T.INT,
            "5000",
            "How often members of KIP-848 groups are told to send heartbeats",
            at_least(1),
            update=_RO,
        ),
        ConfigKey(
            "group.consumer.session.timeout.ms",
            _T.INT,
            "45000",
            "How long a member of a KIP-848 group may be silent",
            at_least(1),
            update=_RO,
        ),
        ConfigKey(
            "group.initial.rebalance.delay.ms",
            _T.INT,
            "3000",
            "How long a new group waits for more members",
            at_least(0),
            update=_RO,
        ),
        ConfigKey(
            "group.max.session.timeout.ms",
            _T.INT,
            "1800000",
            "Longest session timeout a member may ask for",
            at_least(1),
            update=_RO,
        ),
        ConfigKey(
            "group.max.size",
            _T.INT,
            "1000",
            "Most members of one group",
            at_least(1),
            update=_RO,
        ),
        ConfigKey(
            "group.min.session.timeout.ms",
            _T.INT,
            "6000",
            "Shortest session timeout a member may ask for",
            at_least(1),
            update=_RO,
        ),
        ConfigKey("listeners", _T.LIST, None, "Where the broker listens", update=_RO),
        ConfigKey("log.dirs", _T.STRING, None, "Where the logs are", update=_RO),
        ConfigKey(
            "log.cleaner.backoff.ms",
            _T.LONG,
            "15000",
            "How often logs are looked at for what compaction is due",
            at_least(1),
            update=_RO,
        ),
        ConfigKey(
            "log.cleaner.io.max.bytes.per.second",
            _T.DOUBLE,
            "67108864",
            "Most bytes that compaction reads and writes per second",
            at_least(1),
            update=_RO,
        ),
        ConfigKey(
            "log.retention.check.interval.ms",
            _T.LONG,
            "300000",
            "How often logs are looked at for what may be deleted",
            at_least(1),
            update=_RO,
        ),
        ConfigKey("max.connections", _T.INT, "20000", "Most connections", at_least(0), update=_RO),
        ConfigKey("node.id", _T.INT, "-1", "Same as broker.id", update=_RO),
        ConfigKey(
            "num.partitions",
            _T.INT,
            "1",
            "Partitions of a topic that is created with -1",
            at_least(1),
            update=_RO,
        ),
        ConfigKey(
            "offset.metadata.max.bytes",
            _T.INT,
            "4096",
            "Most bytes of text beside a committed offset",
            at_least(0),
            update=_RO,
        ),
        ConfigKey(
            "offsets.retention.minutes",
            _T.INT,
            "10080",
            "How long offsets outlive the last member of their group",
            at_least(1),
            update=_RO,
        ),
        ConfigKey("process.roles", _T.LIST, "broker,controller", "What this does", update=_RO),
        ConfigKey(
            "socket.request.max.bytes",
            _T.INT,
            "104857600",
            "Largest request",
            at_least(1),
            update=_RO,
        ),
        ConfigKey("ssl.keystore.key", _T.PASSWORD, None, "Private key of a listener", update=_RO),
        ConfigKey("super.users", _T.STRING, "", "Principals that may do all", update=_RO),
        ConfigKey(
            "transaction.max.timeout.ms",
            _T.INT,
            "900000",
            "Longest transaction timeout a producer may ask for",
            at_least(1),
            update=_RO,
        ),
        ConfigKey(
            "transactional.id.expiration.ms",
            _T.INT,
            "604800000",
            "How long a transactional id that nobody uses is remembered",
            at_least(1),
            update=_RO,
        ),
    ]
)
