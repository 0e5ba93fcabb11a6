package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	publishers = 4
	// Lines sent and not yet confirmed, of each publisher.
	window = 10_000
)

func publish(broker *amqp.Connection, folder string, messages int) error {
	paths, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return err
	}
	sort.Strings(paths)
	rest := make(chan string, len(paths))
	for _, path := range paths {
		rest <- path
	}
	close(rest)
	var all sync.WaitGroup
	failed := make(chan error, publishers)
	for range [publishers]struct{}{} {
		all.Add(1)
		go func() {
			defer all.Done()
			failed <- publishFiles(broker, rest, messages)
		}()
	}
	all.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

func publishFiles(broker *amqp.Connection, paths <-chan string, messages int) error {
	channel, err := confirming(broker)
	if err != nil {
		return err
	}
	var sent []*amqp.DeferredConfirmation
	for path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for len(body) > 0 {
			var part []byte
			part, body = cut(body, messages)
			message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: part}
			confirmed, err := channel.PublishWithDeferredConfirmWithContext(context.Background(), "", queue, false, false, message)
			if err != nil {
				return err
			}
			sent = append(sent, confirmed)
			if len(sent)*messages > window {
				if !sent[0].Wait() {
					return fmt.Errorf("the broker refused a message")
				}
				sent = sent[1:]
			}
		}
	}
	for _, confirmed := range sent {
		if !confirmed.Wait() {
			return fmt.Errorf("the broker refused a message")
		}
	}
	return channel.Close()
}

// The first lines of a body, and what follows them.
func cut(body []byte, lines int) ([]byte, []byte) {
	end := 0
	for ; lines > 0 && end < len(body); lines-- {
		next := bytes.IndexByte(body[end:], '\n')
		if next < 0 {
			return body, nil
		}
		end += next + 1
	}
	return body[:end], body[end:]
}
