// The senders and the writer of the chain that RabbitMQ and InfluxDB make.
//
// `chain publish URL FOLDER MESSAGES` sends the lines of every file, so many a message of the
// broker, and ends once the broker confirmed all of them. `chain write URL INFLUX` takes them,
// writes them in large batches, acknowledges what InfluxDB took, and prints how many lines
// that are so far. `chain confirm URL` publishes a body a line, each a string of JSON, and says
// when the broker confirmed it.
package main

import (
	"fmt"
	"os"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"
)

const queue = "readings"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "chain:", err)
		os.Exit(1)
	}
}

func run(words []string) error {
	wanted := map[string]int{"publish": 4, "write": 3, "confirm": 2}
	if len(words) == 0 || len(words) != wanted[words[0]] {
		return fmt.Errorf("publish URL FOLDER MESSAGES, write URL INFLUX, or confirm URL")
	}
	broker, err := amqp.Dial(words[1])
	if err != nil {
		return err
	}
	defer broker.Close()
	switch words[0] {
	case "confirm":
		return confirm(broker)
	case "write":
		return write(broker, words[2])
	case "publish":
		messages, err := strconv.Atoi(words[3])
		if err != nil {
			return err
		}
		return publish(broker, words[2], messages)
	}
	panic("the words were counted")
}

// A channel to the durable queue on which the broker confirms each message.
func confirming(broker *amqp.Connection) (*amqp.Channel, error) {
	channel, err := broker.Channel()
	if err != nil {
		return nil, err
	}
	if err := declared(channel); err != nil {
		return nil, err
	}
	return channel, channel.Confirm(false)
}

// A durable queue: with persistent messages, what is confirmed is on disk.
func declared(channel *amqp.Channel) error {
	_, err := channel.QueueDeclare(queue, true, false, false, false, nil)
	return err
}
