package main

import (
	"context"
	"errors"
	"sort"
	"sync"
	"time"

	"ottla.local/conformance/lines"

	"github.com/twmb/franz-go/pkg/kgo"
)

// member is one consumer of a group; a goroutine polls it.
type member struct {
	client *kgo.Client
	cancel context.CancelFunc
	ended  chan struct{}

	lock  sync.Mutex
	owned map[int32]bool
	found []*kgo.Record
	last  map[int32]*kgo.Record
	err   error
}

func (p *program) join(asked *lines.Asked) error {
	one := &member{owned: map[int32]bool{}, last: map[int32]*kgo.Record{}, ended: make(chan struct{})}
	set := func(isOwned bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			one.lock.Lock()
			defer one.lock.Unlock()
			for _, partition := range topics[asked.Topic] {
				one.owned[partition] = isOwned
			}
		}
	}
	options := []kgo.Opt{
		kgo.ConsumerGroup(asked.Group),
		kgo.ConsumeTopics(asked.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(10 * time.Second),
		kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.OnPartitionsAssigned(set(true)),
		kgo.OnPartitionsRevoked(set(false)),
		kgo.OnPartitionsLost(set(false)),
	}
	if asked.Protocol == "consumer" {
		options = append(options, kgo.ServerSideBalancer())
	}
	if asked.Instance != "" {
		options = append(options, kgo.InstanceID(asked.Instance))
	}
	if asked.Cooperative {
		options = append(options, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	}
	client, err := p.client(options...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	one.client, one.cancel = client, cancel
	go one.poll(ctx)
	p.members[asked.Member] = one
	return nil
}

func (m *member) poll(ctx context.Context) {
	defer close(m.ended)
	for ctx.Err() == nil {
		fetches := m.client.PollFetches(ctx)
		m.lock.Lock()
		fetches.EachRecord(func(record *kgo.Record) { m.found = append(m.found, record) })
		// A group session that failed is told as well, though the client goes on by itself.
		var session *kgo.ErrGroupSession
		if err := fetches.Err(); err != nil && ctx.Err() == nil && !errors.As(err, &session) {
			m.err = err
		}
		m.lock.Unlock()
	}
}

func (m *member) assigned() []int32 {
	m.lock.Lock()
	defer m.lock.Unlock()
	owned := []int32{}
	for partition, isOwned := range m.owned {
		if isOwned {
			owned = append(owned, partition)
		}
	}
	sort.Slice(owned, func(i, j int) bool { return owned[i] < owned[j] })
	return owned
}

func (m *member) taken(count int, seconds float64) ([]lines.Record, error) {
	deadline := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	taken := []lines.Record{}
	for len(taken) < count && time.Now().Before(deadline) {
		m.lock.Lock()
		if m.err != nil {
			m.lock.Unlock()
			return nil, m.err
		}
		for len(m.found) > 0 && len(taken) < count {
			record := m.found[0]
			m.found = m.found[1:]
			m.last[record.Partition] = record
			taken = append(taken, tell(record))
		}
		m.lock.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	return taken, nil
}

func (m *member) commit(ctx context.Context) error {
	m.lock.Lock()
	var last []*kgo.Record
	for _, record := range m.last {
		last = append(last, record)
	}
	m.lock.Unlock()
	return m.client.CommitRecords(ctx, last...)
}

func (m *member) leave() {
	m.cancel()
	<-m.ended
	m.client.Close()
}
