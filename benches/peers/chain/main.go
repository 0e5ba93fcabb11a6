// The senders and the writer of the chain that RabbitMQ and InfluxDB make.
//
// `chain publish URL FOLDER MESSAGES` sends the lines of every file, so many a message of the
// broker, and ends once the broker confirmed all of them. `chain write URL INFLUX` takes them,
// writes them in large batches, acknowledges what InfluxDB took, and prints how many lines
// that are so far.
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
	if len(words) < 3 {
		return fmt.Errorf("publish URL FOLDER MESSAGES, or write URL INFLUX")
	}
	broker, err := amqp.Dial(words[1])
	if err != nil {
		return err
	}
	defer broker.Close()
	switch words[0] {
	case "write":
		return write(broker, words[2])
	case "publish":
		messages, err := strconv.Atoi(words[3])
		if err != nil {
			return err
		}
		return publish(broker, words[2], messages)
	}
	return fmt.Errorf("%s is neither publish nor write", words[0])
}

// A durable queue: with persistent messages, what is confirmed is on disk.
func declared(channel *amqp.Channel) error {
	_, err := channel.QueueDeclare(queue, true, false, false, false, nil)
	return err
}
