import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AccessControlEntryFilter;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourcePatternFilter;
import org.apache.kafka.common.resource.ResourceType;

/** Administration. */
final class AdminCommands {
    private final Admin admin;

    AdminCommands(Map<String, Object> common) {
        Map<String, Object> all = new HashMap<>(common);
        all.put("request.timeout.ms", 15000);
        all.put("default.api.timeout.ms", 20000);
        admin = Admin.create(all);
    }

    void close() {
        admin.close();
    }

    Object run(String command, JsonNode asked) throws Exception {
        String topic = text(asked, "topic");
        String group = text(asked, "group");
        switch (command) {
            case "create_topic":
                short replicas = (short) asked.get("replicas").asInt();
                NewTopic wanted = new NewTopic(topic, asked.get("partitions").asInt(), replicas);
                return done(admin.createTopics(List.of(wanted.configs(configs(asked)))).all());
            case "delete_topic":
                return done(admin.deleteTopics(List.of(topic)).all());
            case "add_partitions":
                NewPartitions more = NewPartitions.increaseTo(asked.get("partitions").asInt());
                return done(admin.createPartitions(Map.of(topic, more)).all());
            case "topics":
                return topics();
            case "alter_topic":
                return alter(topic, configs(asked));
            case "topic_configs":
                return described(topic);
            case "groups":
                return admin.listGroups().all().get().stream().map(listing -> listing.groupId()).toList();
            case "describe_group":
                return describe(group);
            case "committed":
                return committed(group);
            case "delete_group":
                return done(admin.deleteConsumerGroups(List.of(group)).all());
            case "offset_at":
                return offset(new TopicPartition(topic, asked.get("partition").asInt()), asked.get("at_ms").asLong());
            case "delete_before":
                TopicPartition partition = new TopicPartition(topic, asked.get("partition").asInt());
                RecordsToDelete before = RecordsToDelete.beforeOffset(asked.get("offset").asLong());
                return done(admin.deleteRecords(Map.of(partition, before)).all());
            case "allow_read":
                return done(admin.createAcls(List.of(readAcl(text(asked, "principal"), topic))).all());
            case "acls":
                List<String> principals = new ArrayList<>();
                admin.describeAcls(on(topic)).values().get().forEach(acl -> principals.add(acl.entry().principal()));
                return principals;
            case "delete_acls":
                return done(admin.deleteAcls(List.of(on(topic))).all());
            default:
                throw new IllegalArgumentException("unknown command " + command);
        }
    }

    private static String text(JsonNode asked, String name) {
        return asked.hasNonNull(name) ? asked.get(name).asText() : null;
    }

    private static boolean done(java.util.concurrent.Future<?> future) throws Exception {
        future.get();
        return true;
    }

    private static boolean done(org.apache.kafka.common.KafkaFuture<?> future) throws Exception {
        future.get();
        return true;
    }

    private static Map<String, String> configs(JsonNode asked) {
        Map<String, String> configs = new HashMap<>();
        asked.get("configs").fields().forEachRemaining(one -> configs.put(one.getKey(), one.getValue().asText()));
        return configs;
    }

    private Map<String, Integer> topics() throws Exception {
        Set<String> names = admin.listTopics().names().get();
        Map<String, Integer> found = new HashMap<>();
        admin.describeTopics(names).allTopicNames().get().forEach((name, topic) -> found.put(name, topic.partitions().size()));
        return found;
    }

    private boolean alter(String topic, Map<String, String> configs) throws Exception {
        List<AlterConfigOp> changes = new ArrayList<>();
        configs.forEach((name, value) -> changes.add(new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET)));
        return done(admin.incrementalAlterConfigs(Map.of(resource(topic), changes)).all());
    }

    private static ConfigResource resource(String topic) {
        return new ConfigResource(ConfigResource.Type.TOPIC, topic);
    }

    private Map<String, String> described(String topic) throws Exception {
        Map<String, String> found = new HashMap<>();
        admin.describeConfigs(List.of(resource(topic))).all().get().get(resource(topic)).entries()
            .forEach(entry -> found.put(entry.name(), entry.value()));
        return found;
    }

    private Map<String, Object> describe(String group) throws Exception {
        ConsumerGroupDescription told = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        return Map.of("state", told.groupState().toString(), "members", told.members().size());
    }

    private Map<String, Long> committed(String group) throws Exception {
        Map<String, Long> found = new HashMap<>();
        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
            .forEach((partition, offset) -> found.put(String.valueOf(partition.partition()), offset.offset()));
        return found;
    }

    private long offset(TopicPartition partition, long at) throws Exception {
        OffsetSpec spec = at == -1 ? OffsetSpec.latest() : at == -2 ? OffsetSpec.earliest() : OffsetSpec.forTimestamp(at);
        return admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset();
    }

    private static AclBinding readAcl(String principal, String topic) {
        return new AclBinding(
            new ResourcePattern(ResourceType.TOPIC, topic, PatternType.LITERAL),
            new AccessControlEntry(principal, "*", AclOperation.READ, AclPermissionType.ALLOW));
    }

    private static AclBindingFilter on(String topic) {
        return new AclBindingFilter(
            new ResourcePatternFilter(ResourceType.TOPIC, topic, PatternType.LITERAL), AccessControlEntryFilter.ANY);
    }
}
