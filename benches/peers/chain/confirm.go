package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

// One message after the other: none is sent before the last is confirmed.
func confirm(broker *amqp.Connection) error {
	channel, err := confirming(broker)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var body string
		if err := json.Unmarshal(lines.Bytes(), &body); err != nil {
			return err
		}
		message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body)}
		sent, err := channel.PublishWithDeferredConfirmWithContext(context.Background(), "", queue, false, false, message)
		if err != nil {
			return err
		}
		if !sent.Wait() {
			return fmt.Errorf("the broker refused a message, or is gone")
		}
		fmt.Println("confirmed")
	}
	return lines.Err()
}
