import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Records as JSON: bytes are base64, null stays null. */
final class Records {
    private Records() {}

    static ProducerRecord<byte[], byte[]> from(String topic, JsonNode told) {
        List<Header> headers = new ArrayList<>();
        for (JsonNode pair : told.get("headers")) {
            headers.add(new RecordHeader(pair.get(0).asText(), bytes(pair.get(1))));
        }
        long time = told.get("timestamp_ms").asLong();
        int partition = told.get("partition").asInt();
        return new ProducerRecord<>(
            topic, partition, time < 0 ? null : time, bytes(told.get("key")), bytes(told.get("value")), headers);
    }

    static Map<String, Object> tell(ConsumerRecord<byte[], byte[]> record) {
        List<List<String>> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            headers.add(Arrays.asList(header.key(), text(header.value())));
        }
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("key", text(record.key()));
        told.put("value", text(record.value()));
        told.put("headers", headers);
        told.put("partition", record.partition());
        told.put("offset", record.offset());
        told.put("timestamp_ms", record.timestamp());
        return told;
    }

    static List<Map<String, Object>> tell(List<ConsumerRecord<byte[], byte[]>> records) {
        List<Map<String, Object>> told = new ArrayList<>();
        records.forEach(record -> told.add(tell(record)));
        return told;
    }

    private static byte[] bytes(JsonNode text) {
        return text.isNull() ? null : Base64.getDecoder().decode(text.asText());
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
    }
}
