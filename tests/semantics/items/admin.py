"""Topics, metadata and configs."""

from tests.semantics.item import item, reasoned

ITEMS = (
    item(
        80,
        "CreateTopics",
        "ReplicationControlManager",
        a="replicas are spread over racks",
        b="manual assignments are kept",
        c="validate_only checks and changes nothing",
        d="v5+ returns the configs",
        e="36, 38, 37 for what exists, cannot be replicated or has no partitions",
        f="17 for illegal and colliding names",
        g="44 for what a policy forbids",
        h="-1 is the broker's default, also below v4",
    ),
    item(
        81,
        "Auto creation",
        "AutoTopicCreationManager",
        a="by Metadata v4+ with the flag, always below v4, if auto.create.topics.enable",
        b="the answer is the topic, or LEADER_NOT_AVAILABLE",
        c="takes CREATE on the topic or the cluster",
    ),
    item(
        82,
        "Metadata",
        "MetadataResponse",
        a="brokers as the listener that was asked advertises them",
        b="the controller is a broker that lives",
        c="leader epoch v7+, topic id v10+, offline replicas v5+",
        d="an unknown topic is a row with error 3",
        e="v12 by id: UNKNOWN_TOPIC_ID",
    ),
    item(
        83,
        "DescribeConfigs",
        "ConfigHelper",
        a="every key with its value or default",
        b="source, synonyms, type, read-only and sensitive flags as each version has them",
        c="the value of a secret is null",
        d="topics, brokers by id, and the default of all brokers",
        e="broker loggers and consumer groups are answered",
        f=reasoned("client metrics subscriptions", "client telemetry is left out"),
    ),
    item(
        84,
        "DescribeLogDirs",
        "DescribeLogDirsResponse",
        a="sizes, offset lag, not a future replica",
        b="v4: total and usable bytes",
        c="the path is the same each time",
    ),
)
