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

    acknowledged_by = "HTTP 200, by default after an fdatasync of its journal"

    def __init__(self, folder, data):
        super().__init__(folder, data)
        self.home = self.folder / "data"
        self.token = None
        # The greatest sequence number that was acknowledged.
        self.last, self.lock = 0, threading.Lock()

    @classmethod
    def ready(cls):
        said = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True)
        return said.stdout.split()[1]

    def start(self):
        self.token = self.token or self.new_token()
        # It is read for the address.
        self.log.unlink(missing_ok=True)
        serve = [BINARY, "--data-dir", self.home, "serve", "--listen", "127.0.0.1:0"]
        self.process = Process(serve, self.log, env=dict(os.environ, RUST_LOG="info"))
        self.port = until(lambda: int(re.search(r"address=127.0.0.1:(\d+)", self.log.read_text())[1]), self.process)
        self.line = self.open_line()

    def new_token(self):
        made = [BINARY, "--data-dir", self.home, "token", "create", "--scopes", "read,write"]
        return subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()

    def open_line(self, content="application/x-protobuf"):
        return Line(self.port, {"Authorization": f"Bearer {self.token}", "Content-Type": content})

    def feed(self):
        feed(self.data.batches("requests"), CONNECTIONS, self.open_line, self.send)

    def send(self, line, body):
        self.heard(self.posted(line, body))

    def posted(self, line, body):
        """The sequence number that it has in the journal."""
        return json.loads(line.ask("POST", "/v1/readings", body))["sequence"]

    def heard(self, sequence):
        with self.lock:
            self.last = max(self.last, sequence)

    def sender(self):
        return self.open_line("application/json")

    def put(self, sender, batch):
        return self.posted(sender, json.dumps({"containers": [message(batch, home) for home in batch.homes()]}))

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
        told = subprocess.run([LOADGEN, "standing", self.home], capture_output=True, text=True, check=True)
        standing = json.loads(told.stdout)
        return standing["data_bytes"] + standing["log_bytes"] + standing["state_bytes"]


def message(batch, home):
    """What a home says in a batch; sent again it is the same message."""
    rows = [row for row in batch.rows() if row[0] == home]
    return {
        "point": f"home-{home:06}",
        "messageId": f"{home}-{batch.number}",
        "createdAt": rows[0][2] * 1_000_000,
        "streams": [{"register": batch.name(row[1]), "kind": "KIND_SPOT", "unit": "V"} for row in rows],
        "measurements": [{"stream": place, "digits": row[3]} for place, row in enumerate(rows)],
    }


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
    "everything": lambda told: "select point, register, start as at, value from readings",
}
