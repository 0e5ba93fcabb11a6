"""The chain that one server replaces: a broker, a small writer, and InfluxDB behind them."""

import pathlib
import subprocess

from cache import go
from engines.broker import Broker
from engines.influx import Influx
from engines.peer import Peer
from measure import below
from process import Process, quiet

SOURCE = pathlib.Path(__file__).parent.parent / "chain"
# Erlang's schedulers never rest wholly.
IDLE_SHARE = 0.1


class Chain(Peer):
    name = "RabbitMQ + writer + InfluxDB"
    how = (
        "durable queue, persistent messages, publisher confirms (an fsync each), manual acknowledgements after InfluxDB "
        "took what was written; a message of one home a message of the broker; writer: 5,000 lines a request"
    )
    messages = 1

    @classmethod
    def ready(cls):
        Broker.ready()
        cls.program = go(SOURCE, "chain")
        return f"RabbitMQ {Broker.version}, InfluxDB {Influx.ready()}"

    def start(self):
        inner = self.folder / "influx"
        inner.mkdir()
        self.influx = Influx(inner, self.data)
        self.influx.start()
        self.broker = Broker(self.folder / "broker", self.log)
        # It answers before it is done with starting.
        quiet(self.broker.process.cpu_s, 1, 2, IDLE_SHARE)
        door = f"http://127.0.0.1:{self.influx.port}/write?db=race"
        self.process = Process([self.program, "write", self.broker.url, door], self.log, stdout=subprocess.PIPE)
        self.written()

    def feed(self):
        """Returns once the broker has it all on disk."""
        command = [self.program, "publish", self.broker.url, self.data.folder / "lines", str(self.messages)]
        subprocess.run(command, check=True, timeout=1_800)

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
        for part in ("broker", "influx"):
            if hasattr(self, part):
                getattr(self, part).stop()


class ChainBatches(Chain):
    name = "RabbitMQ + writer + InfluxDB, batches"
    how = "the same with 500 messages of homes in a message of the broker, as a gateway sends to ours"
    messages = 500
