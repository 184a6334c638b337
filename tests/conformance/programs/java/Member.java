import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** A group member that polls in a thread of its own, which alone touches the consumer. */
final class Member {
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final BlockingQueue<ConsumerRecord<byte[], byte[]>> found = new LinkedBlockingQueue<>();
    private final BlockingQueue<FutureTask<?>> commands = new LinkedBlockingQueue<>();
    private final Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
    private final Thread thread = new Thread(this::poll);
    private volatile boolean leaving;
    private volatile RuntimeException failure;

    Member(KafkaConsumer<byte[], byte[]> consumer, String topic) {
        this.consumer = consumer;
        consumer.subscribe(List.of(topic));
        thread.start();
    }

    private void poll() {
        try {
            while (!leaving) {
                consumer.poll(Duration.ofMillis(100)).forEach(found::add);
                for (FutureTask<?> task = commands.poll(); task != null; task = commands.poll()) {
                    task.run();
                }
            }
        } catch (RuntimeException error) {
            failure = error;
        } finally {
            consumer.close();
        }
    }

    private <T> T ask(Callable<T> work) throws Exception {
        FutureTask<T> task = new FutureTask<>(work);
        commands.add(task);
        while (failure == null) {
            try {
                return task.get(100, TimeUnit.MILLISECONDS);
            } catch (java.util.concurrent.TimeoutException notYet) {
                // The thread may be in poll, or may have failed; look again.
            }
        }
        throw failure;
    }

    List<Integer> assigned() throws Exception {
        return ask(() -> consumer.assignment().stream().map(TopicPartition::partition).sorted().toList());
    }

    List<ConsumerRecord<byte[], byte[]>> taken(int count, double seconds) throws Exception {
        List<ConsumerRecord<byte[], byte[]>> taken = new ArrayList<>();
        long deadline = System.nanoTime() + (long) (seconds * 1e9);
        while (taken.size() < count && System.nanoTime() < deadline) {
            if (failure != null) throw failure;
            ConsumerRecord<byte[], byte[]> record = found.poll(100, TimeUnit.MILLISECONDS);
            if (record == null) continue;
            taken.add(record);
            next.put(
                new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        return taken;
    }

    void commit() throws Exception {
        ask(() -> {
            consumer.commitSync(next);
            return null;
        });
    }

    void leave() throws Exception {
        leaving = true;
        thread.join();
        if (failure != null) throw failure;
    }
}
