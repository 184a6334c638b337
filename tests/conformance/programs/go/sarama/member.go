package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"ottla.local/conformance/lines"

	"github.com/IBM/sarama"
)

const (
	commitMax  = 60 * time.Second // brokers may die meanwhile
	retryPause = 250 * time.Millisecond
	tellPause  = 100 * time.Millisecond // what failed is told by a goroutine of the library
)

var errNoSession = errors.New("the member has no session")

// member is one consumer of a group: the handler of its sessions.
type member struct {
	group  sarama.ConsumerGroup
	cancel context.CancelFunc
	ended  chan struct{}

	lock    sync.Mutex
	session sarama.ConsumerGroupSession
	topic   string
	found   []*sarama.ConsumerMessage
	next    map[int32]int64 // by partition: behind what was handed out
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
	one := &member{group: group, cancel: cancel, ended: make(chan struct{}), topic: asked.Topic, next: map[int32]int64{}}
	go one.consume(ctx)
	go one.watch()
	p.members[asked.Member] = one
	return nil
}

func (m *member) consume(ctx context.Context) {
	defer close(m.ended)
	for ctx.Err() == nil {
		err := m.group.Consume(ctx, []string{m.topic}, m)
		if err == nil {
			continue
		}
		m.fail(err)
		if errors.Is(err, sarama.ErrClosedConsumerGroup) {
			return
		}
		// Its documentation has applications go on: the coordinator may be another one by now.
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
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
			m.next[message.Partition] = message.Offset + 1
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

// commit goes on until it is answered: what a session could not commit, the next one does not know.
func (m *member) commit() error {
	deadline := time.Now().Add(commitMax)
	for {
		err := m.commitOnce()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(retryPause)
	}
}

func (m *member) commitOnce() error {
	m.lock.Lock()
	session := m.session
	if session == nil {
		defer m.lock.Unlock()
		return errNoSession
	}
	m.err = nil
	owned := session.Claims()[m.topic]
	for partition, offset := range m.next {
		// A session passes over what it does not own, and says nothing.
		if !slices.Contains(owned, partition) {
			defer m.lock.Unlock()
			return fmt.Errorf("partition %d was read and has another owner by now", partition)
		}
		session.MarkOffset(m.topic, partition, offset, "")
	}
	m.lock.Unlock()
	session.Commit()
	time.Sleep(tellPause)
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.err
}

func (m *member) leave() error {
	m.cancel()
	<-m.ended
	return m.group.Close()
}
