// sarama behind a command per line.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"ottla.local/conformance/lines"

	"github.com/IBM/sarama"
)

type program struct {
	addresses []string
	client    sarama.Client // the admin client's
	admin     sarama.ClusterAdmin
	members   map[string]*member
}

func main() {
	client, err := sarama.NewClient(lines.Addresses(), settings())
	if err != nil {
		panic(err)
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		panic(err)
	}
	p := &program{addresses: lines.Addresses(), client: client, admin: admin, members: map[string]*member{}}
	lines.Serve(p.run)
	for _, one := range p.members {
		_ = one.leave()
	}
	_ = admin.Close()
}

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.MaxMessageBytes = 1_048_588
	config.Producer.Flush.Frequency = 20 * time.Millisecond
	// By default it gives up within half a second, which no failover of a broker takes.
	config.Producer.Retry.Max, config.Producer.Retry.Backoff = 40, 250*time.Millisecond
	config.Metadata.Retry.Max, config.Metadata.Retry.Backoff = 40, 250*time.Millisecond
	config.Producer.Transaction.Retry.Max = 100
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = 10 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	secure(config)
	return config
}

// secure has the client prove who it is, where it is told how.
func secure(config *sarama.Config) {
	security := lines.SecurityOf(os.Args)
	if security == nil {
		return
	}
	config.Net.TLS.Enable = true
	config.Net.TLS.Config = security.TLS()
	if security.Mechanism == "" {
		return
	}
	config.Net.SASL.Enable = true
	config.Net.SASL.User = security.Username
	config.Net.SASL.Password = security.Password
	config.Net.SASL.Mechanism = sarama.SASLMechanism(security.Mechanism)
	config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient {
		return &scramClient{mechanism: security.Mechanism}
	}
}

func (p *program) run(asked *lines.Asked) (any, error) {
	switch asked.Do {
	case "version":
		return version("github.com/IBM/sarama"), nil
	case "produce":
		return true, p.produce(asked)
	case "read":
		return p.read(asked)
	case "join":
		return true, p.join(asked)
	case "assigned":
		return p.members[asked.Member].assigned(), nil
	case "taken":
		return p.members[asked.Member].taken(asked.Count, asked.Seconds)
	case "commit":
		return true, p.members[asked.Member].commit()
	case "leave":
		err := p.members[asked.Member].leave()
		delete(p.members, asked.Member)
		return true, err
	case "transaction":
		return true, p.transaction(asked)
	case "transform":
		return p.transform(asked)
	}
	return p.administer(asked)
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return "unknown"
}

func codec(name string) sarama.CompressionCodec {
	var found sarama.CompressionCodec
	if err := found.UnmarshalText([]byte(name)); err != nil {
		panic(err)
	}
	return found
}

func messages(asked *lines.Asked) []*sarama.ProducerMessage {
	var found []*sarama.ProducerMessage
	for _, told := range asked.Records {
		message := &sarama.ProducerMessage{Topic: asked.Topic, Partition: told.Partition}
		if told.Key != nil {
			message.Key = sarama.ByteEncoder(told.Key)
		}
		if told.Value != nil {
			message.Value = sarama.ByteEncoder(told.Value)
		}
		if told.TimestampMs >= 0 {
			message.Timestamp = time.UnixMilli(told.TimestampMs)
		}
		for _, pair := range told.Headers {
			name, value := lines.HeaderOf(pair)
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(name), Value: value})
		}
		found = append(found, message)
	}
	return found
}

func tell(message *sarama.ConsumerMessage) lines.Record {
	told := lines.Record{
		Key: message.Key, Value: message.Value, Partition: message.Partition,
		Offset: message.Offset, TimestampMs: message.Timestamp.UnixMilli(),
	}
	for _, header := range message.Headers {
		told.Headers = append(told.Headers, lines.Header(string(header.Key), header.Value))
	}
	return told
}

func idempotent(config *sarama.Config) {
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
}

func (p *program) produce(asked *lines.Asked) error {
	config := settings()
	config.Producer.Compression = codec(asked.Codec)
	if asked.Idempotent {
		idempotent(config)
	}
	producer, err := sarama.NewSyncProducer(p.addresses, config)
	if err != nil {
		return err
	}
	if err := send(producer, messages(asked)); err != nil {
		_ = producer.Close()
		return err
	}
	return producer.Close()
}

// send names the first error: a list of them says only how many there are.
func send(producer sarama.SyncProducer, batch []*sarama.ProducerMessage) error {
	err := producer.SendMessages(batch)
	if failed, ok := err.(sarama.ProducerErrors); ok {
		return failed[0].Err
	}
	return err
}

func (p *program) read(asked *lines.Asked) ([]lines.Record, error) {
	config := settings()
	if asked.CommittedOnly {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	consumer, err := sarama.NewConsumer(p.addresses, config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	merged := make(chan *sarama.ConsumerMessage)
	failed := make(chan error)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(asked.Seconds*float64(time.Second)))
	defer cancel()
	for index := int32(0); index < asked.Partitions; index++ {
		partition, err := again(ctx, func() (sarama.PartitionConsumer, error) {
			return consumer.ConsumePartition(asked.Topic, index, sarama.OffsetOldest)
		})
		if err != nil {
			return nil, err
		}
		defer partition.AsyncClose()
		go forward(ctx, partition, merged, failed)
	}
	found := []lines.Record{}
	var last error // told, and the client has gone on by itself
	for len(found) < asked.Count {
		select {
		case message := <-merged:
			found = append(found, tell(message))
		case last = <-failed:
			if !isTransient(last) {
				return nil, last
			}
		case <-ctx.Done():
			return found, last
		}
	}
	return found, nil
}

// forward goes on after an error, as the library does: by its documentation a partition's consumer stops by
// itself for one reason alone, an offset out of range, and then its channels end.
func forward(ctx context.Context, from sarama.PartitionConsumer, to chan *sarama.ConsumerMessage, failed chan error) {
	for {
		select {
		case message := <-from.Messages():
			if message == nil {
				return
			}
			select {
			case to <- message:
			case <-ctx.Done():
				return
			}
		case err := <-from.Errors():
			if err == nil {
				return
			}
			select {
			case failed <- err:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (p *program) transactional(id string) (sarama.SyncProducer, error) {
	config := settings()
	idempotent(config)
	config.Producer.Transaction.ID = id
	return sarama.NewSyncProducer(p.addresses, config)
}

func (p *program) transaction(asked *lines.Asked) error {
	producer, err := p.transactional(asked.ID)
	if err != nil {
		return err
	}
	defer producer.Close()
	if err := producer.BeginTxn(); err != nil {
		return err
	}
	if err := send(producer, messages(asked)); err != nil {
		return err
	}
	if asked.Commit {
		return producer.CommitTxn()
	}
	return producer.AbortTxn()
}

func (p *program) transform(asked *lines.Asked) (int, error) {
	end, err := p.offset(asked.Source, 0, sarama.OffsetNewest)
	if err != nil {
		return 0, err
	}
	if err := p.join(&lines.Asked{Member: "transform", Group: asked.Group, Topic: asked.Source}); err != nil {
		return 0, err
	}
	one := p.members["transform"]
	defer delete(p.members, "transform")
	defer one.leave()
	records, err := one.taken(int(end), 30)
	if err != nil {
		return 0, err
	}
	producer, err := p.transactional(asked.ID)
	if err != nil {
		return 0, err
	}
	defer producer.Close()
	if err := producer.BeginTxn(); err != nil {
		return 0, err
	}
	if err := send(producer, messages(&lines.Asked{Topic: asked.Target, Records: records})); err != nil {
		return 0, err
	}
	offsets := map[string][]*sarama.PartitionOffsetMetadata{
		asked.Source: {{Partition: 0, Offset: end, LeaderEpoch: -1}},
	}
	if err := producer.AddOffsetsToTxn(offsets, asked.Group); err != nil {
		return 0, err
	}
	if err := producer.CommitTxn(); err != nil {
		return 0, err
	}
	return len(records), nil
}

func (p *program) offset(topic string, partition int32, at int64) (int64, error) {
	client, err := sarama.NewClient(p.addresses, settings())
	if err != nil {
		return 0, err
	}
	defer client.Close()
	found, err := asking(func() (int64, error) { return client.GetOffset(topic, partition, at) })
	if err != nil {
		return 0, fmt.Errorf("offset at %d: %w", at, err)
	}
	return found, nil
}
