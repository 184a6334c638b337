// @confluentinc/kafka-javascript behind a command per line.
"use strict";

const { readFileSync } = require("fs");
const { KafkaJS } = require("@confluentinc/kafka-javascript");
const { messageOf, tell, take, serve, sleep } = require("./lines");

const { Kafka, logLevel, ConsumerGroupStates } = KafkaJS;
/** How every client proves who it is: the file that is the second argument. */
const security =
  process.argv.length < 4 ? {} : JSON.parse(readFileSync(process.argv[3], "utf8")).librdkafka;
const kafka = new Kafka({
  kafkaJS: { brokers: process.argv[2].split(","), logLevel: logLevel.NOTHING },
  ...security,
});
const admin = kafka.admin();
const connected = admin.connect();
const members = {};

async function withProducer(settings, work) {
  const producer = kafka.producer({ "linger.ms": 20, "message.max.bytes": 1048588, ...settings });
  await producer.connect();
  try {
    return await work(producer);
  } finally {
    await producer.disconnect();
  }
}

async function open(group, topic, settings) {
  const consumer = kafka.consumer({
    "group.id": group,
    "auto.offset.reset": "earliest",
    "enable.auto.commit": false,
    // Under the new protocol these two are the broker's to say.
    ...("group.protocol" in settings ? {} : { "session.timeout.ms": 10000, "heartbeat.interval.ms": 500 }),
    ...settings,
  });
  const member = { consumer, topic, found: [], next: {} };
  await consumer.connect();
  await consumer.subscribe({ topic });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      // Here headers are a map as in kafkajs, with a list where a name repeats.
      member.found.push(tell(partition, message));
    },
  });
  return member;
}

async function taken(member, count, seconds) {
  const records = await take(member.found, count, seconds);
  for (const record of records) member.next[record.partition] = record.offset + 1;
  return records;
}

const offsetsOf = (member) =>
  Object.entries(member.next).map(([partition, offset]) => ({
    topic: member.topic,
    partition: Number(partition),
    offset: String(offset),
    leaderEpoch: -1,
  }));

async function transform(asked) {
  const [{ high }] = await admin.fetchTopicOffsets(asked.source);
  const member = await open(asked.group, asked.source, {});
  const records = await take(member.found, Number(high), 30);
  await withProducer({ "transactional.id": asked.id }, async (producer) => {
    const transaction = await producer.transaction();
    await transaction.send({
      topic: asked.target,
      messages: records.map((record) => messageOf({ ...record, partition: 0, timestamp_ms: -1 })),
    });
    await transaction.sendOffsets({
      consumer: member.consumer,
      topics: [{ topic: asked.source, partitions: [{ partition: 0, offset: high }] }],
    });
    await transaction.commit();
  });
  await member.consumer.disconnect();
  return records.length;
}

async function topics() {
  const names = await admin.listTopics();
  const told = await admin.fetchTopicMetadata({ topics: names });
  return Object.fromEntries(told.map((topic) => [topic.name, topic.partitions.length]));
}

async function offsetAt({ topic, partition, at_ms }) {
  const told =
    at_ms >= 0 ? await admin.fetchTopicOffsetsByTimestamp(topic, at_ms) : await admin.fetchTopicOffsets(topic);
  const found = told.find((one) => one.partition === partition);
  return Number({ "-1": found.high, "-2": found.low }[at_ms] ?? found.offset);
}

const stateName = (number) =>
  Object.keys(ConsumerGroupStates).find((name) => ConsumerGroupStates[name] === number);

serve({
  version: async () => {
    await connected;
    const { version } = require("@confluentinc/kafka-javascript/package.json");
    return `${version}, librdkafka ${require("@confluentinc/kafka-javascript").librdkafkaVersion}`;
  },
  produce: (asked) =>
    withProducer(
      { "compression.type": asked.codec, "enable.idempotence": asked.idempotent, acks: -1 },
      (producer) => producer.send({ topic: asked.topic, messages: asked.records.map(messageOf) }),
    ).then(() => true),
  read: async (asked) => {
    const isolation = asked.committed_only ? "read_committed" : "read_uncommitted";
    const group = `reader-${process.pid}-${Date.now()}`;
    const member = await open(group, asked.topic, { "isolation.level": isolation });
    const records = await taken(member, asked.count, asked.seconds);
    await member.consumer.disconnect();
    return records;
  },
  join: async (asked) => {
    const settings = {};
    if (asked.instance) settings["group.instance.id"] = asked.instance;
    if (asked.cooperative) settings["partition.assignment.strategy"] = "cooperative-sticky";
    if (asked.protocol) settings["group.protocol"] = asked.protocol;
    members[asked.member] = await open(asked.group, asked.topic, settings);
  },
  assigned: (asked) => members[asked.member].consumer.assignment().map((one) => one.partition),
  taken: (asked) => taken(members[asked.member], asked.count, asked.seconds),
  commit: (asked) => members[asked.member].consumer.commitOffsets(offsetsOf(members[asked.member])),
  leave: async (asked) => {
    await members[asked.member].consumer.disconnect();
    delete members[asked.member];
  },
  transaction: (asked) =>
    withProducer({ "transactional.id": asked.id }, async (producer) => {
      const transaction = await producer.transaction();
      await transaction.send({ topic: asked.topic, messages: asked.records.map(messageOf) });
      await (asked.commit ? transaction.commit() : transaction.abort());
      return true;
    }),
  transform,
  create_topic: async (asked) => {
    const configEntries = Object.entries(asked.configs).map(([name, value]) => ({ name, value }));
    const topic = { topic: asked.topic, numPartitions: asked.partitions, replicationFactor: asked.replicas, configEntries };
    await admin.createTopics({ topics: [topic] });
  },
  delete_topic: (asked) => admin.deleteTopics({ topics: [asked.topic] }),
  topics,
  // It asks every broker, those that are away too, and by default gives them five seconds together.
  groups: async () => (await admin.listGroups({ timeout: 60_000 })).groups.map((group) => group.groupId),
  describe_group: async (asked) => {
    const { groups } = await admin.describeGroups([asked.group]);
    return { state: stateName(groups[0].state), members: groups[0].members.length };
  },
  committed: async (asked) => {
    const [told] = await admin.fetchOffsets({ groupId: asked.group, topics: [asked.topic] });
    return Object.fromEntries(told.partitions.map((one) => [one.partition, Number(one.offset)]));
  },
  delete_group: async (asked) => {
    // The broker learns of a closed connection in its own time.
    await sleep(100);
    await admin.deleteGroups([asked.group]);
  },
  offset_at: offsetAt,
  delete_before: (asked) =>
    admin
      .deleteTopicRecords({
        topic: asked.topic,
        partitions: [{ partition: asked.partition, offset: String(asked.offset) }],
      })
      .then(() => true),
});
