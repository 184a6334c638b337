import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** Producing and consuming. */
final class DataCommands {
    static final Object UNKNOWN = new Object();

    private final Map<String, Object> common;
    private final Map<String, Member> members = new HashMap<>();

    DataCommands(Map<String, Object> common) {
        this.common = common;
    }

    Object run(String command, JsonNode asked) throws Exception {
        switch (command) {
            case "version":
                return AppInfoParser.getVersion();
            case "produce":
                return produce(asked);
            case "read":
                return Records.tell(read(asked));
            case "join":
                return join(asked);
            case "assigned":
                return member(asked).assigned();
            case "taken":
                return Records.tell(member(asked).taken(asked.get("count").asInt(), asked.get("seconds").asDouble()));
            case "commit":
                member(asked).commit();
                return true;
            case "leave":
                members.remove(asked.get("member").asText()).leave();
                return true;
            case "transaction":
                return transaction(asked);
            case "transform":
                return transform(asked);
            default:
                return UNKNOWN;
        }
    }

    void close() throws Exception {
        for (Member member : members.values()) member.leave();
    }

    private Member member(JsonNode asked) {
        return members.get(asked.get("member").asText());
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(settings);
        all.putAll(common);
        all.put(ProducerConfig.ACKS_CONFIG, "all");
        all.put(ProducerConfig.LINGER_MS_CONFIG, 20);
        // A JVM on a starved machine needs half a minute for its first TLS handshake alone.
        all.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, 120000);
        all.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, 120000);
        all.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, 20000);
        return new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private KafkaConsumer<byte[], byte[]> consumer(String group, Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(settings);
        all.putAll(common);
        if (group != null) all.put(ConsumerConfig.GROUP_ID_CONFIG, group);
        all.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        all.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        return new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static void write(KafkaProducer<byte[], byte[]> producer, List<ProducerRecord<byte[], byte[]>> records)
        throws Exception {
        // Without metadata each send would wait out max.block.ms, one after the other, and say nothing.
        producer.partitionsFor(records.get(0).topic());
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> record : records) sent.add(producer.send(record));
        producer.flush();
        for (Future<RecordMetadata> one : sent) one.get();
    }

    private static List<ProducerRecord<byte[], byte[]>> records(JsonNode asked) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (JsonNode told : asked.get("records")) records.add(Records.from(asked.get("topic").asText(), told));
        return records;
    }

    private Object produce(JsonNode asked) throws Exception {
        Map<String, Object> settings =
            Map.of("compression.type", asked.get("codec").asText(), "enable.idempotence", asked.get("idempotent").asBoolean());
        try (KafkaProducer<byte[], byte[]> producer = producer(settings)) {
            write(producer, records(asked));
        }
        return true;
    }

    private List<ConsumerRecord<byte[], byte[]>> read(JsonNode asked) {
        String isolation = asked.get("committed_only").asBoolean() ? "read_committed" : "read_uncommitted";
        List<TopicPartition> partitions =
            IntStream.range(0, asked.get("partitions").asInt())
                .mapToObj(index -> new TopicPartition(asked.get("topic").asText(), index))
                .toList();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(null, Map.of("isolation.level", isolation))) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            return take(consumer, asked.get("count").asInt(), asked.get("seconds").asDouble());
        }
    }

    private static List<ConsumerRecord<byte[], byte[]>> take(
        KafkaConsumer<byte[], byte[]> consumer, int count, double seconds) {
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        long deadline = System.nanoTime() + (long) (seconds * 1e9);
        while (found.size() < count && System.nanoTime() < deadline) {
            ConsumerRecords<byte[], byte[]> polled = consumer.poll(Duration.ofMillis(100));
            polled.forEach(found::add);
        }
        return found;
    }

    private Object join(JsonNode asked) {
        Map<String, Object> settings = new HashMap<>();
        if (asked.has("protocol")) {
            settings.put(ConsumerConfig.GROUP_PROTOCOL_CONFIG, asked.get("protocol").asText());
        } else {
            settings.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 10000);
            settings.put(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 500);
        }
        if (!asked.path("instance").asText().isEmpty()) {
            settings.put(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG, asked.get("instance").asText());
        }
        if (asked.path("cooperative").asBoolean()) {
            settings.put(
                ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG, CooperativeStickyAssignor.class.getName());
        }
        KafkaConsumer<byte[], byte[]> consumer = consumer(asked.get("group").asText(), settings);
        members.put(asked.get("member").asText(), new Member(consumer, asked.get("topic").asText()));
        return true;
    }

    private Object transaction(JsonNode asked) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of("transactional.id", asked.get("id").asText()))) {
            producer.initTransactions();
            producer.beginTransaction();
            write(producer, records(asked));
            if (asked.get("commit").asBoolean()) producer.commitTransaction();
            else producer.abortTransaction();
        }
        return true;
    }

    private Object transform(JsonNode asked) throws Exception {
        String source = asked.get("source").asText();
        TopicPartition input = new TopicPartition(source, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(asked.get("group").asText(), Map.of());
            KafkaProducer<byte[], byte[]> producer = producer(Map.of("transactional.id", asked.get("id").asText()))) {
            consumer.subscribe(List.of(source));
            int end = consumer.endOffsets(List.of(input)).get(input).intValue();
            List<ConsumerRecord<byte[], byte[]>> records = take(consumer, end, 30);
            producer.initTransactions();
            producer.beginTransaction();
            List<ProducerRecord<byte[], byte[]>> output = new ArrayList<>();
            for (ConsumerRecord<byte[], byte[]> record : records) {
                output.add(new ProducerRecord<>(asked.get("target").asText(), record.key(), record.value()));
            }
            write(producer, output);
            producer.sendOffsetsToTransaction(Map.of(input, new OffsetAndMetadata(end)), consumer.groupMetadata());
            producer.commitTransaction();
            return records.size();
        }
    }
}
