// kafkajs behind a command per line. Its codecs beyond gzip are packages of their own.
"use strict";

const {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  CompressionCodecs,
  CompressionTypes,
  ConfigResourceTypes,
  Kafka,
  Partitioners,
  ResourcePatternTypes,
  logLevel,
} = require("kafkajs");
const { readFileSync } = require("fs");
const { messageOf, tell, take, serve, sleep } = require("./lines");

CompressionCodecs[CompressionTypes.Snappy] = require("kafkajs-snappy");
const lz4 = require("lz4-napi");
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (buffer) => lz4.decompressFrame(buffer),
});
const zstd = require("@bokuweb/zstd-wasm");
const zstdReady = zstd.init();
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => {
    await zstdReady;
    return Buffer.from(zstd.compress(encoder.buffer, 3));
  },
  decompress: async (buffer) => {
    await zstdReady;
    return Buffer.from(zstd.decompress(buffer));
  },
});

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

// Brokers may die meanwhile, and a consumer that failed waits up to half a minute before it starts again.
const COMMIT_MS_MAX = 180_000;
const AGAIN_MS_MAX = 60_000;

/** How every client proves who it is: the file that is the second argument. */
function security() {
  if (process.argv.length < 4) return {};
  const told = JSON.parse(readFileSync(process.argv[3], "utf8"));
  const ssl = { ca: [readFileSync(told.ca_file)] };
  if (told.mechanism === "") {
    return { ssl: { ...ssl, cert: readFileSync(told.certificate_file), key: readFileSync(told.key_file) } };
  }
  const mechanism = told.mechanism.toLowerCase();
  return { ssl, sasl: { mechanism, username: told.username, password: told.password } };
}

const kafka = new Kafka({ brokers: process.argv[2].split(","), logLevel: logLevel.NOTHING, ...security() });
const admin = kafka.admin();
const members = {};

/**
 * Connecting and what the admin client only asks for go to a broker once; kafkajs says of an error whether it
 * passes by itself. What changes something is not asked again here: its answer may be what was lost.
 */
async function again(work) {
  const until = Date.now() + AGAIN_MS_MAX;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (error.retriable !== true || Date.now() > until) throw error;
      await sleep(250);
    }
  }
}

const ready = again(() => admin.connect());

const producerOf = (settings) =>
  kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...settings });

/** Connecting asks for a producer id, of the controller or the coordinator, and of no other. */
async function connected(client) {
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.disconnect().catch(() => {});
    throw error;
  }
}

async function withProducer(settings, work) {
  const producer = await again(() => connected(producerOf(settings)));
  try {
    return await work(producer);
  } finally {
    await producer.disconnect();
  }
}

/** Here one send is one batch, however large, and the broker takes 1 MB. */
function* batches(messages) {
  let batch = [];
  let size = 0;
  for (const message of messages) {
    const bytes = (message.key || "").length + (message.value || "").length;
    if (batch.length > 0 && size + bytes > 1_000_000) {
      yield batch;
      [batch, size] = [[], 0];
    }
    batch.push(message);
    size += bytes;
  }
  yield batch;
}

async function subscribed(group, topic, settings) {
  const consumer = await connected(
    kafka.consumer({
      groupId: group,
      sessionTimeout: 10000,
      heartbeatInterval: 500,
      maxWaitTimeInMs: 500,
      ...settings,
    }),
  );
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    return consumer;
  } catch (error) {
    await consumer.disconnect().catch(() => {});
    throw error;
  }
}

async function open(group, topic, settings) {
  const consumer = await again(() => subscribed(group, topic, settings));
  const member = { consumer, topic, found: [], owned: [], next: {}, committed: {}, failure: null };
  consumer.on(consumer.events.GROUP_JOIN, (event) => {
    member.owned = event.payload.memberAssignment[topic] || [];
  });
  consumer.on(consumer.events.COMMIT_OFFSETS, (event) => {
    for (const { partitions } of event.payload.topics) {
      for (const { partition, offset } of partitions) member.committed[partition] = String(offset);
    }
  });
  consumer.on(consumer.events.CRASH, (event) => {
    if (!event.payload.restart) member.failure = event.payload.error;
  });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      member.found.push(tell(partition, message));
    },
  });
  return member;
}

async function taken(member, count, seconds) {
  const records = await take(member.found, count, seconds);
  if (member.failure !== null) throw member.failure;
  for (const record of records) member.next[record.partition] = record.offset + 1;
  return records;
}

/**
 * It reads by a group alone: a member whose coordinator dies begins anew, as it has committed nothing. A
 * reader tells each record once.
 */
async function takenOnce(member, count, seconds) {
  const until = Date.now() + seconds * 1000;
  const told = new Map();
  while (told.size < count && Date.now() < until) {
    for (const record of await taken(member, 1, (until - Date.now()) / 1000)) {
      const place = `${record.partition}-${record.offset}`;
      if (!told.has(place)) told.set(place, record);
    }
  }
  return [...told.values()];
}

const offsetsOf = (member) =>
  Object.entries(member.next).map(([partition, offset]) => ({
    topic: member.topic,
    partition: Number(partition),
    offset: String(offset),
  }));

/**
 * While its consumer starts again after a failure, commitOffsets resolves and has committed nothing
 * (its runner.js); the event comes only when a broker has answered.
 */
async function commit(member) {
  const until = Date.now() + COMMIT_MS_MAX;
  for (;;) {
    const wanted = offsetsOf(member);
    let failure = null;
    await member.consumer.commitOffsets(wanted).catch((error) => (failure = error));
    if (wanted.every(({ partition, offset }) => member.committed[partition] === offset)) return;
    if (member.failure !== null) throw member.failure;
    if (Date.now() > until) throw failure || new Error("commitOffsets resolved without a commit");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function close(member) {
  await member.consumer.disconnect();
}

async function transform(asked) {
  const [{ high }] = await again(() => admin.fetchTopicOffsets(asked.source));
  const member = await open(asked.group, asked.source, {});
  const records = await take(member.found, Number(high), 30);
  await withProducer({ transactionalId: asked.id, idempotent: true, maxInFlightRequests: 1 }, async (producer) => {
    const transaction = await producer.transaction();
    await transaction.send({
      topic: asked.target,
      messages: records.map((record) => messageOf({ ...record, partition: 0, timestamp_ms: -1 })),
    });
    await transaction.sendOffsets({
      consumerGroupId: asked.group,
      topics: [{ topic: asked.source, partitions: [{ partition: 0, offset: high }] }],
    });
    await transaction.commit();
  });
  await close(member);
  return records.length;
}

const resourceOf = (topic) => ({ type: ConfigResourceTypes.TOPIC, name: topic });
const aclOn = (topic) => ({
  resourceType: AclResourceTypes.TOPIC,
  resourceName: topic,
  resourcePatternType: ResourcePatternTypes.LITERAL,
});
const anyAclOn = (topic) => ({
  ...aclOn(topic),
  operation: AclOperationTypes.ANY,
  permissionType: AclPermissionTypes.ANY,
});

async function offsetAt({ topic, partition, at_ms }) {
  const told = await again(() =>
    at_ms >= 0 ? admin.fetchTopicOffsetsByTimestamp(topic, at_ms) : admin.fetchTopicOffsets(topic),
  );
  const found = told.find((one) => one.partition === partition);
  return Number({ "-1": found.high, "-2": found.low }[at_ms] ?? found.offset);
}

serve({
  version: () => require("kafkajs/package.json").version,
  produce: (asked) =>
    withProducer({ idempotent: asked.idempotent, maxInFlightRequests: asked.idempotent ? 1 : null }, async (producer) => {
      for (const messages of batches(asked.records.map(messageOf))) {
        await producer.send({ topic: asked.topic, acks: -1, compression: CODECS[asked.codec], messages });
      }
      return true;
    }),
  read: async (asked) => {
    const settings = { readUncommitted: !asked.committed_only };
    const member = await open(`reader-${process.pid}-${Date.now()}`, asked.topic, settings);
    const records = await takenOnce(member, asked.count, asked.seconds);
    await close(member);
    return records;
  },
  join: async (asked) => {
    members[asked.member] = await open(asked.group, asked.topic, {});
  },
  assigned: (asked) => members[asked.member].owned,
  taken: (asked) => taken(members[asked.member], asked.count, asked.seconds),
  commit: (asked) => commit(members[asked.member]),
  leave: async (asked) => {
    await close(members[asked.member]);
    delete members[asked.member];
  },
  transaction: (asked) =>
    withProducer({ transactionalId: asked.id, idempotent: true, maxInFlightRequests: 1 }, async (producer) => {
      const transaction = await producer.transaction();
      await transaction.send({ topic: asked.topic, messages: asked.records.map(messageOf) });
      await (asked.commit ? transaction.commit() : transaction.abort());
      return true;
    }),
  transform,
  create_topic: async (asked) => {
    await ready;
    const configEntries = Object.entries(asked.configs).map(([name, value]) => ({ name, value }));
    const topic = { topic: asked.topic, numPartitions: asked.partitions, replicationFactor: asked.replicas, configEntries };
    await admin.createTopics({ topics: [topic] });
  },
  delete_topic: (asked) => admin.deleteTopics({ topics: [asked.topic] }),
  add_partitions: (asked) =>
    admin.createPartitions({ topicPartitions: [{ topic: asked.topic, count: asked.partitions }] }).then(() => true),
  topics: async () => {
    const { topics } = await again(() => admin.fetchTopicMetadata());
    return Object.fromEntries(topics.map((topic) => [topic.name, topic.partitions.length]));
  },
  alter_topic: async (asked) => {
    const configEntries = Object.entries(asked.configs).map(([name, value]) => ({ name, value }));
    await admin.alterConfigs({ resources: [{ ...resourceOf(asked.topic), configEntries }] });
  },
  topic_configs: async (asked) => {
    const { resources } = await again(() => admin.describeConfigs({ resources: [resourceOf(asked.topic)] }));
    return Object.fromEntries(resources[0].configEntries.map((entry) => [entry.configName, entry.configValue]));
  },
  groups: async () => (await again(() => admin.listGroups())).groups.map((group) => group.groupId),
  describe_group: async (asked) => {
    const { groups } = await again(() => admin.describeGroups([asked.group]));
    return { state: groups[0].state, members: groups[0].members.length };
  },
  committed: async (asked) => {
    const [told] = await again(() => admin.fetchOffsets({ groupId: asked.group, topics: [asked.topic] }));
    return Object.fromEntries(told.partitions.map((one) => [one.partition, Number(one.offset)]));
  },
  delete_group: (asked) => admin.deleteGroups([asked.group]).then(() => true),
  allow_read: (asked) =>
    admin.createAcls({
      acl: [
        {
          ...aclOn(asked.topic),
          principal: asked.principal,
          host: "*",
          operation: AclOperationTypes.READ,
          permissionType: AclPermissionTypes.ALLOW,
        },
      ],
    }),
  acls: async (asked) => {
    const { resources } = await again(() => admin.describeAcls(anyAclOn(asked.topic)));
    return resources.flatMap((resource) => resource.acls.map((acl) => acl.principal));
  },
  delete_acls: (asked) => admin.deleteAcls({ filters: [anyAclOn(asked.topic)] }).then(() => true),
  offset_at: offsetAt,
  delete_before: async (asked) => {
    // It looks for leaders among the topics that it has seen before it looks at the topic.
    await again(() => admin.fetchTopicOffsets(asked.topic));
    await admin.deleteTopicRecords({
      topic: asked.topic,
      partitions: [{ partition: asked.partition, offset: String(asked.offset) }],
    });
  },
});
