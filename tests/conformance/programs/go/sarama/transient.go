package main

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/IBM/sarama"
)

// retriable are the answers after which Kafka's protocol has a client ask again.
var retriable = []error{
	sarama.ErrLeaderNotAvailable,
	sarama.ErrNotLeaderForPartition,
	sarama.ErrRequestTimedOut,
	sarama.ErrBrokerNotAvailable,
	sarama.ErrReplicaNotAvailable,
	sarama.ErrNetworkException,
	sarama.ErrOffsetsLoadInProgress,
	sarama.ErrConsumerCoordinatorNotAvailable,
	sarama.ErrNotCoordinatorForConsumer,
	sarama.ErrFencedLeaderEpoch,
	sarama.ErrUnknownLeaderEpoch,
	sarama.ErrOutOfBrokers, // none of them answered it
	sarama.ErrNotConnected,
	io.EOF,
}

// isTransient tells what passes by itself once another broker has taken over.
func isTransient(err error) bool {
	var network net.Error
	if errors.As(err, &network) {
		return true
	}
	for _, one := range retriable {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// again repeats a question, which changes nothing: the library asks once or twice, without a pause.
func again[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	for {
		found, err := ask()
		if err == nil || !isTransient(err) {
			return found, err
		}
		select {
		case <-ctx.Done():
			return found, err
		case <-time.After(retryPause):
		}
	}
}

// asking repeats a question of the admin client for as long as a failover may take.
func asking[T any](ask func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commitMax)
	defer cancel()
	return again(ctx, ask)
}
