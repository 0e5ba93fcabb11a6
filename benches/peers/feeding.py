"""Senders of numbered batches, and the list of what was acknowledged to them."""

import threading

from numbered import Batch


class Ledger:
    """What was sent, and what of it was acknowledged before the strike."""

    def __init__(self):
        self.sent, self.acknowledged = set(), set()
        self.failures = []
        self.open, self.lock = True, threading.Lock()

    def next(self, numbers):
        """The next to send; None where there is none, or no more to be sent."""
        with self.lock:
            number = next(numbers, None) if self.open else None
            if number is not None:
                self.sent.add(number)
            return number

    def hears(self, number):
        """An answer after the ledger is closed came too late: false, it does not count."""
        with self.lock:
            if self.open:
                self.acknowledged.add(number)
            return self.open

    def fails(self, error):
        """A sender that fails before the strike; after it that is what is meant to happen."""
        with self.lock:
            if self.open:
                self.failures.append(error)

    def close(self):
        with self.lock:
            self.open = False


class Feeding:
    """Sends batches of these numbers, each as soon as a sender has its last one acknowledged."""

    def __init__(self, peer, numbers, ledger):
        self.peer, self.numbers, self.ledger = peer, iter(numbers), ledger
        self.threads = [threading.Thread(target=self._send) for _ in range(peer.senders)]
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join()
        if self.ledger.failures:
            raise self.ledger.failures[0]

    def _send(self):
        try:
            with self.peer.sender() as sender:
                while (number := self.ledger.next(self.numbers)) is not None:
                    receipt = self.peer.put(sender, Batch(number))
                    if self.ledger.hears(number):
                        self.peer.heard(receipt)
        except Exception as error:
            self.ledger.fails(error)
