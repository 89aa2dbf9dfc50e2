package main

import (
	"context"
	"log"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// pipeline takes fetched records through the workers to the producer, and marks what was delivered.
type pipeline struct {
	config config
	client *kgo.Client
	// Each partition of the input belongs to one worker, which keeps its order.
	workers []chan []*kgo.Record
	running sync.WaitGroup
	// The chunks that are not under way: a fixed number of them bounds what is.
	free  chan *chunk
	lanes map[int32]*lane
}

// chunk is a run of one partition's records; its output bytes lie in out until the last of them is delivered.
type chunk struct {
	lane *lane
	// How many records are not delivered yet.
	left    atomic.Int64
	last    kgo.Record
	out     []byte
	deliver func(*kgo.Record, error)
}

// lane is a partition of the input with its chunks under way, in the order of the input.
type lane struct {
	sync.Mutex
	chunks []*chunk
}

func newPipeline(config config, client *kgo.Client, partitions []int32) *pipeline {
	p := &pipeline{config: config, client: client, lanes: map[int32]*lane{}}
	p.free = make(chan *chunk, chunksMax)
	for range chunksMax {
		c := &chunk{}
		c.deliver = func(_ *kgo.Record, err error) { p.delivered(c, err) }
		p.free <- c
	}
	for _, partition := range partitions {
		p.lanes[partition] = &lane{}
	}
	for range workers {
		records := make(chan []*kgo.Record, 2)
		p.workers = append(p.workers, records)
		p.running.Add(1)
		go p.work(records)
	}
	return p
}

// take hands over records of one partition.
func (p *pipeline) take(partition int32, records []*kgo.Record) {
	p.workers[int(partition)%len(p.workers)] <- records
}

// finish returns when all that was taken is delivered and committed.
func (p *pipeline) finish(ctx context.Context) error {
	for _, records := range p.workers {
		close(records)
	}
	p.running.Wait()
	if err := p.client.Flush(ctx); err != nil {
		return err
	}
	return p.client.CommitMarkedOffsets(ctx)
}

func (p *pipeline) work(taken <-chan []*kgo.Record) {
	defer p.running.Done()
	j := newJudge()
	for records := range taken {
		for len(records) > 0 {
			n := min(len(records), chunkRecords)
			p.process(j, records[:n], <-p.free)
			records = records[n:]
		}
	}
}

// process judges a chunk's records and gives them to the producer. What was fetched is what is produced: the records are changed
// in place, and keep key, headers and time stamp.
func (p *pipeline) process(j *judge, records []*kgo.Record, c *chunk) {
	last := records[len(records)-1]
	c.lane = p.lanes[last.Partition]
	c.last = kgo.Record{Topic: last.Topic, Partition: last.Partition, Offset: last.Offset, LeaderEpoch: last.LeaderEpoch}
	c.left.Store(int64(len(records)) + 1)
	c.lane.Lock()
	c.lane.chunks = append(c.lane.chunks, c)
	c.lane.Unlock()

	clock := time.Now().UTC().Format(time.RFC3339)
	now := `"` + clock + `"`
	room := 0
	for _, r := range records {
		room += len(r.Value) + len(`,"processed_at":""`) + len(clock)
	}
	out := slices.Grow(c.out[:0], room)
	left := int64(1)
	for _, r := range records {
		if r.Attrs.IsControl() {
			left++
			continue
		}
		if r.Value != nil {
			start := len(out)
			var refused rejection
			out, refused = j.event(r.Value, now, out)
			if refused.reason != "" {
				p.deadLetter(r, refused, clock)
				p.client.Produce(context.Background(), r, c.deliver)
				continue
			}
			r.Value = out[start:len(out):len(out)]
		}
		r.Topic = p.config.output
		r.Headers = withoutDeadLetterHeaders(r.Headers)
		p.client.Produce(context.Background(), r, c.deliver)
	}
	c.out = out
	p.settle(c, left)
}

// delivered counts one report. The client tries again what can be tried again; with anything else the process ends, and what is not
// marked is read once more by the next.
func (p *pipeline) delivered(c *chunk, err error) {
	if err != nil {
		log.Fatalf("franz-go: not delivered: %v", err)
	}
	p.settle(c, 1)
}

// settle marks the partition's offset up to the first chunk that has records under way.
func (p *pipeline) settle(c *chunk, records int64) {
	// With its last record the chunk may be taken for another partition at once.
	l := c.lane
	if c.left.Add(-records) > 0 {
		return
	}
	l.Lock()
	defer l.Unlock()
	for len(l.chunks) > 0 && l.chunks[0].left.Load() == 0 {
		done := l.chunks[0]
		l.chunks = l.chunks[1:]
		p.client.MarkCommitRecords(&done.last)
		p.free <- done
	}
}

// deadLetter turns a record into its dead letter.
func (p *pipeline) deadLetter(r *kgo.Record, refused rejection, clock string) {
	headers := withoutDeadLetterHeaders(r.Headers)
	headers = append(make([]kgo.RecordHeader, 0, len(headers)+12), headers...)
	put := func(key, value string) {
		headers = append(headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	put("dlq.version", "1")
	put("dlq.reason", refused.reason)
	if refused.field != "" {
		put("dlq.field", refused.field)
	}
	put("dlq.detail", refused.detail)
	put("dlq.contract", "user-login")
	put("dlq.topic", r.Topic)
	put("dlq.partition", strconv.Itoa(int(r.Partition)))
	put("dlq.offset", strconv.FormatInt(r.Offset, 10))
	put("dlq.timestamp", strconv.FormatInt(r.Timestamp.UnixMilli(), 10))
	put("dlq.group", p.config.group)
	put("dlq.attempts", "1")
	put("dlq.at", clock)
	r.Headers = headers
	r.Topic = p.config.dlq
}

func withoutDeadLetterHeaders(headers []kgo.RecordHeader) []kgo.RecordHeader {
	kept := headers[:0]
	for _, header := range headers {
		if !strings.HasPrefix(header.Key, "dlq.") {
			kept = append(kept, header)
		}
	}
	return kept
}

// partitioner puts a record where the Java clients would put its key. Without a key, and as a dead letter, it goes by its
// partition in the input.
type partitioner struct{ dlq string }

func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPartitioner{kgo.StickyKeyPartitioner(nil).ForTopic(topic), topic == p.dlq}
}

type topicPartitioner struct {
	keyed kgo.TopicPartitioner
	isDLQ bool
}

func (topicPartitioner) RequiresConsistency(*kgo.Record) bool { return true }

func (p topicPartitioner) Partition(r *kgo.Record, n int) int {
	if p.isDLQ || r.Key == nil {
		return int(r.Partition) % n
	}
	return p.keyed.Partition(r, n)
}
