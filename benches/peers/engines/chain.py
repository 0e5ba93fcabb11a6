"""The chain that one server replaces: a broker, a small writer, and InfluxDB behind them."""

import json
import pathlib
import subprocess
import time

from cache import go
from engines.broker import Broker
from engines.influx import Influx
from engines.peer import Peer
from measure import below
from process import Process, quiet

SOURCE = pathlib.Path(__file__).parent.parent / "chain"
# Erlang's schedulers never rest wholly.
IDLE_SHARE = 0.1
# The writer waits up to a minute for InfluxDB.
DRAINED_MAX_S = 120


class Chain(Peer):
    name = "RabbitMQ + writer + InfluxDB"
    how = (
        "durable queue, persistent messages, publisher confirms (an fsync each), manual acknowledgements after InfluxDB "
        "took what was written; a message of one home a message of the broker; writer: 5,000 lines a request"
    )
    messages = 1
    acknowledged_by = "the broker's confirm, of a persistent message in a durable queue; asked of InfluxDB once the queue is empty"

    @classmethod
    def ready(cls):
        Broker.ready()
        cls.program = go(SOURCE, "chain")
        return f"RabbitMQ {Broker.version}, InfluxDB {Influx.ready()}"

    def __init__(self, folder, data):
        super().__init__(folder, data)
        self.broker, self.influx = None, None

    def start(self):
        inner = self.folder / "influx"
        inner.mkdir(exist_ok=True)
        self.influx = Influx(inner, self.data)
        self.influx.start()
        self.broker = Broker(self.folder / "broker", self.log)
        self.broker.wait()
        # It answers before it is done with starting.
        quiet(self.broker.process.cpu_s, 1, 2, IDLE_SHARE)
        door = f"http://127.0.0.1:{self.influx.port}/write?db=race"
        self.process = Process([self.program, "write", self.broker.url, door], self.log, stdout=subprocess.PIPE)
        self.written()

    def feed(self):
        """Returns once the broker has it all on disk."""
        command = [self.program, "publish", self.broker.url, self.data.folder / "lines", str(self.messages)]
        subprocess.run(command, check=True, timeout=1_800)

    def sender(self):
        return Sender([self.program, "confirm", self.broker.url], self.log)

    def put(self, sender, batch):
        sender.confirmed(batch.lines().decode())

    def everything(self):
        """Once the writer has taken all that the broker holds."""
        end = time.monotonic() + DRAINED_MAX_S
        while self.broker.messages():
            self.process.alive()
            if time.monotonic() > end:
                raise RuntimeError(f"the queue is not empty after {DRAINED_MAX_S} s")
        return self.influx.everything()

    def processes(self):
        inner = [part for part in (self.broker, self.influx) if part]
        return super().processes() + [process for part in inner for process in part.processes()]

    def visible(self):
        while self.written() < self.data.told["messages"]:
            self.process.alive()

    def written(self):
        """Lines that InfluxDB took so far; waits for the next batch."""
        line = self.process.child.stdout.readline()
        return int(line) if line else -1

    def settle(self):
        self.influx.settle()
        self.rest(share=IDLE_SHARE)

    def ask(self, question):
        return self.influx.ask(question)

    def rows(self, question, answer):
        return self.influx.rows(question, answer)

    def standing_bytes(self):
        return below(self.folder)

    def parts(self):
        return {"broker": self.broker.process.cpu_s(), "writer": self.process.cpu_s(), "influx": self.influx.cpu_s()}

    def cpu_s(self):
        return sum(self.parts().values())

    def peak_bytes(self):
        return sum(part.peak_bytes() for part in (self.broker.process, self.process, self.influx))

    def stop(self):
        super().stop()
        for part in (self.broker, self.influx):
            if part:
                part.stop()


class Sender:
    """A program that publishes what it is handed and says when that is confirmed."""

    def __init__(self, command, log):
        self.process = Process(command, log, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()

    def confirmed(self, body):
        self.process.child.stdin.write(json.dumps(body).encode() + b"\n")
        self.process.child.stdin.flush()
        if not self.process.child.stdout.readline():
            raise RuntimeError("not confirmed")


class ChainBatches(Chain):
    name = "RabbitMQ + writer + InfluxDB, batches"
    how = "the same with 500 messages of homes in a message of the broker, as a gateway sends to ours"
    messages = 500
