"""Meterhouse, through its own HTTP door, as a gateway sends: 500 messages a request."""

import datetime
import io
import json
import os
import pathlib
import re
import subprocess
import threading

from engines.peer import Peer
from http_lines import Line, feed
from process import Process, until

BUILT = pathlib.Path(os.environ.get("METERHOUSE_PEERS_BUILT", "target/release"))
BINARY, LOADGEN = BUILT / "meterhouse", BUILT / "loadgen"
UTC = datetime.timezone.utc
CONNECTIONS = 16
# What is applied waits so long for more before it is committed: `commit_wait_max_ms`, and a second.
COMMIT_WAIT_S = 11


class Meterhouse(Peer):
    name = "Meterhouse"
    how = "defaults; protobuf, 500 messages a request, 16 connections; fsync before each acknowledgement"

    @classmethod
    def ready(cls):
        said = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True)
        return said.stdout.split()[1]

    def start(self):
        home = self.folder / "data"
        made = [BINARY, "--data-dir", home, "token", "create", "--scopes", "read,write"]
        token = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
        serve = [BINARY, "--data-dir", home, "serve", "--listen", "127.0.0.1:0"]
        self.process = Process(serve, self.log, env=dict(os.environ, RUST_LOG="info"))
        self.port = until(lambda: int(re.search(r"address=127.0.0.1:(\d+)", self.log.read_text())[1]), self.process)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-protobuf"}
        self.line = self.open_line()
        self.last, self.lock = 0, threading.Lock()

    def open_line(self):
        return Line(self.port, self.headers)

    def feed(self):
        feed(self.data.batches("requests"), CONNECTIONS, self.open_line, self.send)

    def send(self, line, body):
        sequence = json.loads(line.ask("POST", "/v1/readings", body))["sequence"]
        with self.lock:
            self.last = max(self.last, sequence)

    def visible(self):
        applied = rb"meterhouse_process_applied_sequence (\d+)"

        def all_applied():
            assert int(re.search(applied, self.line.ask("GET", "/metrics"))[1]) > self.last

        until(all_applied, self.process, 600)

    def settle(self):
        self.rest(COMMIT_WAIT_S)

    def ask(self, question):
        return self.line.ask("POST", "/v1/sql?format=arrow", SQL[question](self.data.told).encode())

    def rows(self, question, answer):
        import pyarrow

        places = {name: place for place, name in enumerate(self.data.told["registers"])}
        read = {
            "point": lambda name: int(name.removeprefix("home-")),
            "register": places.get,
            "at": lambda at: int(at.replace(tzinfo=UTC).timestamp()),
            "day": lambda day: int(datetime.datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()),
        }
        table = pyarrow.ipc.open_stream(io.BytesIO(answer)).read_all()
        columns = [map(read.get(name, int), table[name].to_pylist()) for name in table.column_names]
        return zip(*columns)

    def standing_bytes(self):
        told = subprocess.run([LOADGEN, "standing", self.folder / "data"], capture_output=True, text=True, check=True)
        standing = json.loads(told.stdout)
        return standing["data_bytes"] + standing["log_bytes"] + standing["state_bytes"]


SQL = {
    "last_day": lambda told: "select register, start as at, value from readings "
    f"where point = 'home-{told['home']:06}' and start >= to_timestamp({told['last_day_from_s']}) "
    f"and start < to_timestamp({told['to_s']})",
    "consumption": lambda told: "select point, max(value) - min(value) as used from readings "
    f"where register = '{told['registers'][0]}' group by point",
    "daily": lambda told: "select point, register, day, count, sum from "
    "(select channel, local_day(start, 'UTC') as day, count(*) as count, sum(value) as sum "
    "from readings group by channel, day) join channels using (channel)",
    "latest": lambda told: "select point, register, value from latest",
    "hourly": lambda told: "select register, date_trunc('hour', start) as at, count(*) as count, sum(value) as sum "
    "from readings group by register, at",
}
