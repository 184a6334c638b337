package main

import (
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"github.com/xdg-go/scram"
)

// scramClient is one conversation: sarama leaves SCRAM itself to its users.
type scramClient struct {
	mechanism    string
	conversation *scram.ClientConversation
}

// Begin starts a conversation.
func (c *scramClient) Begin(user, password, authzid string) error {
	hashes := map[string]scram.HashGeneratorFcn{
		"SCRAM-SHA-256": func() hash.Hash { return sha256.New() },
		"SCRAM-SHA-512": func() hash.Hash { return sha512.New() },
	}
	client, err := hashes[c.mechanism].NewClient(user, password, authzid)
	if err != nil {
		return err
	}
	c.conversation = client.NewConversation()
	return nil
}

// Step answers one challenge.
func (c *scramClient) Step(challenge string) (string, error) {
	return c.conversation.Step(challenge)
}

// Done tells whether the conversation is over.
func (c *scramClient) Done() bool {
	return c.conversation.Done()
}
