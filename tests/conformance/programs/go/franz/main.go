// franz-go (kgo and kadm) behind a command per line.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"ottla.local/conformance/lines"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

type program struct {
	admin   *kadm.Client
	members map[string]*member
}

func main() {
	client, err := kgo.NewClient(common()...)
	if err != nil {
		panic(err)
	}
	p := &program{admin: kadm.NewClient(client), members: map[string]*member{}}
	lines.Serve(p.run)
	for _, one := range p.members {
		one.leave()
	}
	client.Close()
}

func (p *program) run(asked *lines.Asked) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	switch asked.Do {
	case "version":
		return version("github.com/twmb/franz-go"), nil
	case "produce":
		return true, p.produce(ctx, asked)
	case "read":
		return p.read(asked)
	case "join":
		return true, p.join(asked)
	case "assigned":
		return p.members[asked.Member].assigned(), nil
	case "taken":
		return p.members[asked.Member].taken(asked.Count, asked.Seconds)
	case "commit":
		return true, p.members[asked.Member].commit(ctx)
	case "leave":
		p.members[asked.Member].leave()
		delete(p.members, asked.Member)
		return true, nil
	case "transaction":
		return true, p.transaction(ctx, asked)
	case "transform":
		return p.transform(ctx, asked)
	}
	return p.administer(ctx, asked)
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

// common is what every client of this program is given. A connection that ends with its first answer is not
// asked again by default: that may be a broker that wants TLS or SASL. Here it is one that has died.
func common() []kgo.Opt {
	options := []kgo.Opt{kgo.SeedBrokers(lines.Addresses()...), kgo.AlwaysRetryEOF()}
	security := lines.SecurityOf(os.Args)
	if security == nil {
		return options
	}
	options = append(options, kgo.DialTLSConfig(security.TLS()))
	user := scram.Auth{User: security.Username, Pass: security.Password}
	switch security.Mechanism {
	case "SCRAM-SHA-256":
		options = append(options, kgo.SASL(user.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		options = append(options, kgo.SASL(user.AsSha512Mechanism()))
	}
	return options
}

func (p *program) client(options ...kgo.Opt) (*kgo.Client, error) {
	fixed := append(common(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(20*time.Millisecond),
		kgo.ProducerBatchMaxBytes(1_048_588),
	)
	return kgo.NewClient(append(fixed, options...)...)
}

func codec(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func records(asked *lines.Asked) []*kgo.Record {
	var found []*kgo.Record
	for _, told := range asked.Records {
		record := &kgo.Record{Topic: asked.Topic, Partition: told.Partition, Key: told.Key, Value: told.Value}
		if told.TimestampMs >= 0 {
			record.Timestamp = time.UnixMilli(told.TimestampMs)
		}
		for _, pair := range told.Headers {
			name, value := lines.HeaderOf(pair)
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: value})
		}
		found = append(found, record)
	}
	return found
}

func tell(record *kgo.Record) lines.Record {
	told := lines.Record{
		Key: record.Key, Value: record.Value, Partition: record.Partition,
		Offset: record.Offset, TimestampMs: record.Timestamp.UnixMilli(),
	}
	for _, header := range record.Headers {
		told.Headers = append(told.Headers, lines.Header(header.Key, header.Value))
	}
	return told
}

func (p *program) produce(ctx context.Context, asked *lines.Asked) error {
	options := []kgo.Opt{kgo.ProducerBatchCompression(codec(asked.Codec))}
	if !asked.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	client, err := p.client(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.ProduceSync(ctx, records(asked)...).FirstErr()
}

func (p *program) read(asked *lines.Asked) ([]lines.Record, error) {
	offsets := map[int32]kgo.Offset{}
	for index := int32(0); index < asked.Partitions; index++ {
		offsets[index] = kgo.NewOffset().AtStart()
	}
	options := []kgo.Opt{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{asked.Topic: offsets})}
	if asked.CommittedOnly {
		options = append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	client, err := p.client(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return take(client, asked.Count, asked.Seconds)
}

func take(client *kgo.Client, count int, seconds float64) ([]lines.Record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds*float64(time.Second)))
	defer cancel()
	found := []lines.Record{}
	for len(found) < count && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil && ctx.Err() == nil {
			return nil, err
		}
		var failure error
		fetches.EachError(func(topic string, partition int32, err error) {
			failure = fmt.Errorf("%s-%d: %w", topic, partition, err)
		})
		if failure != nil && ctx.Err() == nil {
			return nil, failure
		}
		fetches.EachRecord(func(record *kgo.Record) { found = append(found, tell(record)) })
	}
	return found, nil
}

func (p *program) transaction(ctx context.Context, asked *lines.Asked) error {
	client, err := p.client(kgo.TransactionalID(asked.ID))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	if err := client.ProduceSync(ctx, records(asked)...).FirstErr(); err != nil {
		return err
	}
	return client.EndTransaction(ctx, kgo.TransactionEndTry(asked.Commit))
}

func (p *program) transform(ctx context.Context, asked *lines.Asked) (int, error) {
	ends, err := p.admin.ListEndOffsets(ctx, asked.Source)
	if err != nil {
		return 0, err
	}
	end, _ := ends.Lookup(asked.Source, 0)
	session, err := kgo.NewGroupTransactSession(append(common(),
		kgo.TransactionalID(asked.ID),
		kgo.ConsumerGroup(asked.Group),
		kgo.ConsumeTopics(asked.Source),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(),
	)...)
	if err != nil {
		return 0, err
	}
	defer session.Close()
	copied := 0
	for copied < int(end.Offset) && ctx.Err() == nil {
		fetches := session.PollFetches(ctx)
		if err := session.Begin(); err != nil {
			return copied, err
		}
		var output []*kgo.Record
		fetches.EachRecord(func(record *kgo.Record) {
			output = append(output, &kgo.Record{Topic: asked.Target, Key: record.Key, Value: record.Value})
		})
		if err := session.ProduceSync(ctx, output...).FirstErr(); err != nil {
			return copied, err
		}
		if _, err := session.End(ctx, kgo.TryCommit); err != nil {
			return copied, err
		}
		copied += len(output)
	}
	return copied, ctx.Err()
}
