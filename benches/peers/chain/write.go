package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	writers = 2
	// Lines a request to InfluxDB.
	batch = 5_000
	// How often a batch is sent while InfluxDB has no time for it, and how long after.
	tries = 60
	again = time.Second
	// How long a batch waits to become full.
	patience = 50 * time.Millisecond
)

var written atomic.Int64

func write(broker *amqp.Connection, influx string) error {
	var all sync.WaitGroup
	failed := make(chan error, writers)
	for range [writers]struct{}{} {
		all.Add(1)
		go func() {
			defer all.Done()
			failed <- writeBatches(broker, influx)
		}()
	}
	return <-failed
}

func writeBatches(broker *amqp.Connection, influx string) error {
	channel, err := broker.Channel()
	if err != nil {
		return err
	}
	if err := declared(channel); err != nil {
		return err
	}
	// Two batches of single lines: one that is written, one that is gathered.
	if err := channel.Qos(2*batch, 0, false); err != nil {
		return err
	}
	messages, err := channel.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	fmt.Println(written.Load())
	var gathered bytes.Buffer
	var last amqp.Delivery
	lines, waited := 0, time.NewTicker(patience)
	for {
		full := false
		select {
		case message, open := <-messages:
			if !open {
				return fmt.Errorf("the broker ended")
			}
			gathered.Write(message.Body)
			lines += bytes.Count(message.Body, []byte{'\n'})
			last = message
			full = lines >= batch
		case <-waited.C:
			full = lines > 0
		}
		if !full {
			continue
		}
		if err := post(influx, gathered.Bytes()); err != nil {
			return err
		}
		// What InfluxDB took, and only that, leaves the queue.
		if err := last.Ack(true); err != nil {
			return err
		}
		fmt.Println(written.Add(int64(lines)))
		gathered.Reset()
		lines = 0
	}
}

// The same points sent again change nothing.
func post(influx string, lines []byte) error {
	var err error
	for range [tries]struct{}{} {
		if err = postOnce(influx, lines); err == nil {
			return nil
		}
		time.Sleep(again)
	}
	return err
}

func postOnce(influx string, lines []byte) error {
	answer, err := http.Post(influx, "text/plain", bytes.NewReader(lines))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s: %s", answer.Status, said)
	}
	return nil
}
