package main

import (
	"context"
	"fmt"
	"strconv"

	"ottla.local/conformance/lines"

	"github.com/IBM/sarama"
)

func (p *program) administer(asked *lines.Asked) (any, error) {
	switch asked.Do {
	case "create_topic":
		detail := &sarama.TopicDetail{NumPartitions: asked.Partitions, ReplicationFactor: asked.Replicas, ConfigEntries: configs(asked)}
		return true, p.admin.CreateTopic(asked.Topic, detail, false)
	case "delete_topic":
		return true, p.admin.DeleteTopic(asked.Topic)
	case "add_partitions":
		return true, p.admin.CreatePartitions(asked.Topic, asked.Partitions, nil, false)
	case "topics":
		return p.topics()
	case "alter_topic":
		return true, p.alter(asked)
	case "topic_configs":
		return p.configs(asked.Topic)
	case "groups":
		told, err := asking(p.admin.ListConsumerGroups)
		found := []string{}
		for name := range told {
			found = append(found, name)
		}
		return found, err
	case "describe_group":
		return p.describe(asked.Group)
	case "committed":
		return p.committed(asked)
	case "delete_group":
		return true, p.admin.DeleteConsumerGroup(asked.Group)
	case "allow_read":
		acl := sarama.Acl{
			Principal: asked.Principal, Host: "*",
			Operation: sarama.AclOperationRead, PermissionType: sarama.AclPermissionAllow,
		}
		return true, p.admin.CreateACL(resource(asked), acl)
	case "acls":
		return p.acls(asked)
	case "delete_acls":
		_, err := p.admin.DeleteACL(on(asked), false)
		return true, err
	case "offset_at":
		return p.offset(asked.Topic, asked.Partition, asked.AtMs)
	case "delete_before":
		return true, p.admin.DeleteRecords(asked.Topic, map[int32]int64{asked.Partition: asked.Offset})
	}
	return nil, fmt.Errorf("unknown command %s", asked.Do)
}

func configs(asked *lines.Asked) map[string]*string {
	found := map[string]*string{}
	for name, value := range asked.Configs {
		text := value
		found[name] = &text
	}
	return found
}

func (p *program) topics() (map[string]int, error) {
	told, err := asking(p.admin.ListTopics)
	found := map[string]int{}
	for name, topic := range told {
		found[name] = int(topic.NumPartitions)
	}
	return found, err
}

func (p *program) alter(asked *lines.Asked) error {
	changes := map[string]sarama.IncrementalAlterConfigsEntry{}
	for name, value := range configs(asked) {
		changes[name] = sarama.IncrementalAlterConfigsEntry{
			Operation: sarama.IncrementalAlterConfigsOperationSet, Value: value,
		}
	}
	return p.admin.IncrementalAlterConfig(sarama.TopicResource, asked.Topic, changes, false)
}

func (p *program) configs(topic string) (map[string]string, error) {
	told, err := asking(func() ([]sarama.ConfigEntry, error) {
		return p.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	})
	found := map[string]string{}
	for _, entry := range told {
		found[entry.Name] = entry.Value
	}
	return found, err
}

func (p *program) describe(group string) (any, error) {
	return ofGroup(p, group, func() (any, error) {
		told, err := p.admin.DescribeConsumerGroups([]string{group})
		if err != nil {
			return nil, err
		}
		if told[0].Err != sarama.ErrNoError { // the state means nothing then
			return nil, told[0].Err
		}
		return map[string]any{"state": told[0].State, "members": len(told[0].Members)}, nil
	})
}

// ofGroup asks again where another broker may be the group's coordinator by now: the admin client keeps the one it
// knows.
func ofGroup[T any](p *program, group string, ask func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commitMax)
	defer cancel()
	return again(ctx, func() (T, error) {
		found, err := ask()
		if err != nil && isTransient(err) {
			_ = p.client.RefreshCoordinator(group) // it fails like the next question
		}
		return found, err
	})
}

func (p *program) committed(asked *lines.Asked) (map[string]int64, error) {
	found := map[string]int64{}
	told, err := ofGroup(p, asked.Group, func() (*sarama.OffsetFetchResponse, error) {
		told, err := p.admin.ListConsumerGroupOffsets(asked.Group, nil)
		if err == nil && told.Err != sarama.ErrNoError {
			err = told.Err
		}
		return told, err
	})
	if err != nil {
		return nil, err
	}
	for partition, block := range told.Blocks[asked.Topic] {
		found[strconv.Itoa(int(partition))] = block.Offset
	}
	return found, nil
}

func resource(asked *lines.Asked) sarama.Resource {
	return sarama.Resource{
		ResourceType: sarama.AclResourceTopic, ResourceName: asked.Topic,
		ResourcePatternType: sarama.AclPatternLiteral,
	}
}

func on(asked *lines.Asked) sarama.AclFilter {
	return sarama.AclFilter{
		ResourceType: sarama.AclResourceTopic, ResourceName: &asked.Topic,
		ResourcePatternTypeFilter: sarama.AclPatternLiteral,
		Operation:                 sarama.AclOperationAny, PermissionType: sarama.AclPermissionAny,
	}
}

func (p *program) acls(asked *lines.Asked) ([]string, error) {
	told, err := asking(func() ([]sarama.ResourceAcls, error) { return p.admin.ListAcls(on(asked)) })
	principals := []string{}
	for _, resource := range told {
		for _, acl := range resource.Acls {
			principals = append(principals, acl.Principal)
		}
	}
	return principals, err
}
