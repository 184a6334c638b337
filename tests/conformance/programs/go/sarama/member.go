package main

import (
	"context"
	"sort"
	"sync"
	"time"

	"ottla.local/conformance/lines"

	"github.com/IBM/sarama"
)

// member is one consumer of a group: the handler of its sessions.
type member struct {
	group  sarama.ConsumerGroup
	cancel context.CancelFunc
	ended  chan struct{}

	lock    sync.Mutex
	session sarama.ConsumerGroupSession
	topic   string
	found   []*sarama.ConsumerMessage
	err     error
}

func (p *program) join(asked *lines.Asked) error {
	config := settings()
	config.Consumer.Group.InstanceId = asked.Instance
	group, err := sarama.NewConsumerGroup(p.addresses, asked.Group, config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	one := &member{group: group, cancel: cancel, ended: make(chan struct{}), topic: asked.Topic}
	go one.consume(ctx)
	go one.watch()
	p.members[asked.Member] = one
	return nil
}

func (m *member) consume(ctx context.Context) {
	defer close(m.ended)
	for ctx.Err() == nil {
		if err := m.group.Consume(ctx, []string{m.topic}, m); err != nil {
			m.fail(err)
			return
		}
	}
}

func (m *member) watch() {
	for err := range m.group.Errors() {
		m.fail(err)
	}
}

func (m *member) fail(err error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.err = err
}

// Setup begins a generation.
func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session = session
	return nil
}

// Cleanup ends a generation.
func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session = nil
	return nil
}

// ConsumeClaim reads one partition.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message := <-claim.Messages():
			if message == nil {
				return nil
			}
			m.lock.Lock()
			m.found = append(m.found, message)
			m.lock.Unlock()
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) assigned() []int32 {
	m.lock.Lock()
	defer m.lock.Unlock()
	owned := []int32{}
	if m.session != nil {
		owned = append(owned, m.session.Claims()[m.topic]...)
	}
	sort.Slice(owned, func(i, j int) bool { return owned[i] < owned[j] })
	return owned
}

func (m *member) taken(count int, seconds float64) ([]lines.Record, error) {
	deadline := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	taken := []lines.Record{}
	for len(taken) < count && time.Now().Before(deadline) {
		m.lock.Lock()
		for len(m.found) > 0 && len(taken) < count && m.session != nil {
			message := m.found[0]
			m.found = m.found[1:]
			m.session.MarkMessage(message, "")
			taken = append(taken, tell(message))
		}
		m.lock.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	if len(taken) < count && m.err != nil {
		return nil, m.err
	}
	m.err = nil // It was told, and the client has gone on by itself.
	return taken, nil
}

func (m *member) commit() error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.session != nil {
		m.session.Commit()
	}
	return m.err
}

func (m *member) leave() error {
	m.cancel()
	<-m.ended
	return m.group.Close()
}
