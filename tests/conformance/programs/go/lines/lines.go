// Package lines is the command-per-line protocol of tests/conformance/json_lines.py.
package lines

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Record is a record as JSON; []byte is base64 there, and nil is null.
type Record struct {
	Key         []byte     `json:"key"`
	Value       []byte     `json:"value"`
	Headers     [][2]Bytes `json:"headers"`
	Partition   int32      `json:"partition"`
	Offset      int64      `json:"offset"`
	TimestampMs int64      `json:"timestamp_ms"`
}

// Bytes is a header's name (plain text) or value (base64, or null).
type Bytes = json.RawMessage

// Asked is one command with whatever arguments it has.
type Asked struct {
	Do            string            `json:"do"`
	Topic         string            `json:"topic"`
	Records       []Record          `json:"records"`
	Codec         string            `json:"codec"`
	Idempotent    bool              `json:"idempotent"`
	Partitions    int32             `json:"partitions"`
	Replicas      int16             `json:"replicas"`
	Partition     int32             `json:"partition"`
	Count         int               `json:"count"`
	CommittedOnly bool              `json:"committed_only"`
	Seconds       float64           `json:"seconds"`
	Member        string            `json:"member"`
	Instance      string            `json:"instance"`
	Cooperative   bool              `json:"cooperative"`
	Group         string            `json:"group"`
	Protocol      string            `json:"protocol"`
	ID            string            `json:"id"`
	Commit        bool              `json:"commit"`
	Source        string            `json:"source"`
	Target        string            `json:"target"`
	Configs       map[string]string `json:"configs"`
	Principal     string            `json:"principal"`
	AtMs          int64             `json:"at_ms"`
	Offset        int64             `json:"offset"`
}

// HeaderOf splits one header.
func HeaderOf(pair [2]Bytes) (name string, value []byte) {
	must(json.Unmarshal(pair[0], &name))
	must(json.Unmarshal(pair[1], &value))
	return name, value
}

// Header makes one.
func Header(name string, value []byte) [2]Bytes {
	first, err := json.Marshal(name)
	must(err)
	second, err := json.Marshal(value)
	must(err)
	return [2]Bytes{first, second}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Addresses of the brokers: the first argument, with commas between them.
func Addresses() []string {
	return strings.Split(os.Args[1], ",")
}

// Serve answers commands until the input ends. An error is an answer, too.
func Serve(run func(asked *Asked) (any, error)) {
	reader := bufio.NewReader(os.Stdin)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked Asked
		must(json.Unmarshal(line, &asked))
		answer := map[string]any{}
		if result, err := guarded(run, &asked); err != nil {
			answer["error"] = err.Error()
		} else {
			answer["ok"] = result
		}
		text, err := json.Marshal(answer)
		must(err)
		fmt.Println(string(text))
	}
}

func guarded(run func(asked *Asked) (any, error), asked *Asked) (result any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return run(asked)
}
