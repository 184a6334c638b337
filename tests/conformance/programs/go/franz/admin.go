package main

import (
	"context"
	"fmt"
	"strconv"

	"ottla.local/conformance/lines"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (p *program) administer(ctx context.Context, asked *lines.Asked) (any, error) {
	switch asked.Do {
	case "create_topic":
		_, err := p.admin.CreateTopic(ctx, asked.Partitions, asked.Replicas, configs(asked), asked.Topic)
		return true, err
	case "delete_topic":
		_, err := p.admin.DeleteTopic(ctx, asked.Topic)
		return true, err
	case "add_partitions":
		told, err := p.admin.UpdatePartitions(ctx, int(asked.Partitions), asked.Topic)
		return true, either(err, told.Error())
	case "topics":
		return p.topics(ctx)
	case "alter_topic":
		return true, p.alter(ctx, asked)
	case "topic_configs":
		return p.configs(ctx, asked.Topic)
	case "groups":
		told, err := p.admin.ListGroups(ctx)
		return told.Groups(), err
	case "describe_group":
		return p.describe(ctx, asked.Group)
	case "committed":
		return p.committed(ctx, asked)
	case "delete_group":
		_, err := p.admin.DeleteGroup(ctx, asked.Group)
		return true, err
	case "allow_read":
		told, err := p.admin.CreateACLs(ctx, on(asked).Allow(asked.Principal).AllowHosts("*").Operations(kadm.OpRead))
		for _, one := range told {
			err = either(err, one.Err)
		}
		return true, err
	case "acls":
		return p.acls(ctx, asked)
	case "delete_acls":
		told, err := p.admin.DeleteACLs(ctx, anyOn(asked))
		for _, one := range told {
			err = either(err, one.Err)
		}
		return true, err
	case "offset_at":
		return p.offset(ctx, asked)
	case "delete_before":
		before := kadm.Offsets{}
		before.AddOffset(asked.Topic, asked.Partition, asked.Offset, -1)
		told, err := p.admin.DeleteRecords(ctx, before)
		return true, either(err, told.Error())
	}
	return nil, fmt.Errorf("unknown command %s", asked.Do)
}

func either(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func configs(asked *lines.Asked) map[string]*string {
	found := map[string]*string{}
	for name, value := range asked.Configs {
		found[name] = kadm.StringPtr(value)
	}
	return found
}

func (p *program) topics(ctx context.Context) (map[string]int, error) {
	told, err := p.admin.ListTopicsWithInternal(ctx)
	found := map[string]int{}
	for name, topic := range told {
		found[name] = len(topic.Partitions)
	}
	return found, err
}

func (p *program) alter(ctx context.Context, asked *lines.Asked) error {
	var changes []kadm.AlterConfig
	for name, value := range configs(asked) {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: value})
	}
	told, err := p.admin.AlterTopicConfigs(ctx, changes, asked.Topic)
	for _, one := range told {
		err = either(err, one.Err)
	}
	return err
}

func (p *program) configs(ctx context.Context, topic string) (map[string]string, error) {
	told, err := p.admin.DescribeTopicConfigs(ctx, topic)
	found := map[string]string{}
	for _, resource := range told {
		err = either(err, resource.Err)
		for _, config := range resource.Configs {
			found[config.Key] = config.MaybeValue()
		}
	}
	return found, err
}

func (p *program) describe(ctx context.Context, group string) (any, error) {
	told, err := p.admin.DescribeGroups(ctx, group)
	one := told[group]
	return map[string]any{"state": one.State, "members": len(one.Members)}, either(err, one.Err)
}

func (p *program) committed(ctx context.Context, asked *lines.Asked) (map[string]int64, error) {
	told, err := p.admin.FetchOffsets(ctx, asked.Group)
	found := map[string]int64{}
	for partition, one := range told[asked.Topic] {
		err = either(err, one.Err)
		found[strconv.Itoa(int(partition))] = one.At
	}
	return found, err
}

func on(asked *lines.Asked) *kadm.ACLBuilder {
	return kadm.NewACLs().Topics(asked.Topic).ResourcePatternType(kmsg.ACLResourcePatternTypeLiteral)
}

func anyOn(asked *lines.Asked) *kadm.ACLBuilder {
	return on(asked).Allow().AllowHosts().Deny().DenyHosts().Operations()
}

func (p *program) acls(ctx context.Context, asked *lines.Asked) ([]string, error) {
	told, err := p.admin.DescribeACLs(ctx, anyOn(asked))
	seen := map[string]bool{}
	principals := []string{}
	for _, one := range told {
		err = either(err, one.Err)
		for _, acl := range one.Described {
			if !seen[acl.Principal] {
				seen[acl.Principal] = true
				principals = append(principals, acl.Principal)
			}
		}
	}
	return principals, err
}

func (p *program) offset(ctx context.Context, asked *lines.Asked) (int64, error) {
	var told kadm.ListedOffsets
	var err error
	switch asked.AtMs {
	case -1:
		told, err = p.admin.ListEndOffsets(ctx, asked.Topic)
	case -2:
		told, err = p.admin.ListStartOffsets(ctx, asked.Topic)
	default:
		told, err = p.admin.ListOffsetsAfterMilli(ctx, asked.AtMs, asked.Topic)
	}
	found, _ := told.Lookup(asked.Topic, asked.Partition)
	return found.Offset, either(err, found.Err)
}
