// A tuned Go consumer that does what gristmill does with its built-in contract, user-login. gristmill is measured against it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What README.md says was measured.
const (
	// Goroutines that judge; each partition of the input belongs to one.
	workers = 2
	// Records of a chunk, at most, and chunks under way.
	chunkRecords = 4096
	chunksMax    = 32
	linger       = 2 * time.Millisecond
	// GOGC, where the environment does not say.
	gcPercent = 200
)

type config struct{ bootstrap, input, output, dlq, group string }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "franz-go:", err)
		os.Exit(1)
	}
}

func run() error {
	config, err := fromEnvironment()
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx := context.Background()

	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(config.bootstrap, ",")...),
		kgo.ConsumerGroup(config.group),
		kgo.ConsumeTopics(config.input),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// The end of a transaction tells that a partition's end was reached where nothing else can be read there.
		kgo.KeepControlRecords(),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(time.Second),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(linger),
		kgo.RecordPartitioner(partitioner{config.dlq}),
		// What is under way is bounded by chunks.
		kgo.MaxBufferedRecords(chunksMax*chunkRecords+1),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	ahead, partitions, err := toRead(ctx, config, kadm.NewClient(client))
	if err != nil {
		return err
	}
	pipeline := newPipeline(config, client, partitions)
	for len(ahead) > 0 && stopped.Err() == nil {
		fetches := client.PollFetches(stopped)
		if err := fetches.Err(); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		fetches.EachPartition(func(fetched kgo.FetchTopicPartition) {
			if n := len(fetched.Records); n > 0 {
				last := fetched.Records[n-1].Offset
				pipeline.take(fetched.Partition, fetched.Records)
				if end, ok := ahead[fetched.Partition]; ok && last+1 >= end {
					delete(ahead, fetched.Partition)
				}
			}
		})
	}
	return pipeline.finish(ctx)
}

// toRead says which partitions have records that the group has not handled, and where they end now; also, which there are at all.
func toRead(ctx context.Context, config config, admin *kadm.Client) (map[int32]int64, []int32, error) {
	starts, err := admin.ListStartOffsets(ctx, config.input)
	if err != nil {
		return nil, nil, err
	}
	ends, err := admin.ListCommittedOffsets(ctx, config.input)
	if err != nil {
		return nil, nil, err
	}
	committed, err := admin.FetchOffsetsForTopics(ctx, config.group, config.input)
	if err != nil {
		return nil, nil, err
	}
	ahead, partitions := map[int32]int64{}, []int32{}
	for partition, end := range ends[config.input] {
		start, _ := starts.Lookup(config.input, partition)
		if err := errors.Join(start.Err, end.Err); err != nil {
			return nil, nil, err
		}
		partitions = append(partitions, partition)
		from := start.Offset
		if offset, ok := committed.Lookup(config.input, partition); ok {
			from = max(from, offset.At)
		}
		if from < end.Offset {
			ahead[partition] = end.Offset
		}
	}
	if len(partitions) == 0 {
		return nil, nil, fmt.Errorf("there is no topic %s", config.input)
	}
	return ahead, partitions, nil
}

func fromEnvironment() (config, error) {
	var missing error
	get := func(name string) string {
		value := os.Getenv(name)
		if value == "" {
			missing = errors.Join(missing, fmt.Errorf("%s is not set", name))
		}
		return value
	}
	c := config{
		bootstrap: get("KAFKA_BOOTSTRAP_SERVERS"),
		input:     get("KAFKA_INPUT_TOPIC"),
		output:    get("KAFKA_OUTPUT_TOPIC"),
		dlq:       get("KAFKA_DLQ_TOPIC"),
		group:     get("KAFKA_CONSUMER_GROUP"),
	}
	return c, missing
}
