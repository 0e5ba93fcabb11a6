"""InfluxDB 1.6 of Debian, fed wide lines; its answers are those of InfluxQL."""

import decimal
import json
import urllib.parse

from cache import debian
from engines.peer import Peer
from http_lines import Line, feed
from process import Process, free_port, until

CONNECTIONS = 4
# It says 500 where its disk took longer than 10 seconds; the same points sent again change nothing.
BUSY = (500, 503)
# It writes its cache and compacts once nothing came for longer, by default 10 minutes and 4 hours.
COLD_S = 20

SETTINGS = """\
reporting-disabled = true
bind-address = "127.0.0.1:{inner}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
cache-snapshot-write-cold-duration = "10s"
compact-full-write-cold-duration = "{cold}s"
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
[logging]
level = "warn"
"""


class Influx(Peer):
    name = "InfluxDB 1.6, wide"
    how = (
        "defaults, which are an fsync of its log before each acknowledgement; cold after 20 seconds instead of 4 hours, "
        "or it would not come to rest; wide lines, 5,000 a request, 4 connections"
    )

    acknowledged_by = "HTTP 204, by default after an fsync of its log"

    # Which lines it is fed.
    form = "lines"

    @classmethod
    def ready(cls):
        cls.binary = debian("influxdb") / "usr/bin/influxd"
        return "1.6.7 of Debian 12"

    def start(self):
        self.port = free_port()
        settings = self.folder / "influx.conf"
        settings.write_text(SETTINGS.format(folder=self.folder, port=self.port, inner=free_port(), cold=COLD_S))
        self.process = Process([self.binary, "-config", settings], self.log)
        self.line = Line(self.port)
        until(lambda: self.line.ask("GET", "/ping"), self.process)
        self.line.ask("POST", "/query?q=CREATE%20DATABASE%20race")

    def feed(self):
        send = lambda line, body: line.ask("POST", "/write?db=race", body)
        feed(self.data.batches(self.form), CONNECTIONS, lambda: Line(self.port, busy=BUSY), send)

    def sender(self):
        return Line(self.port, busy=BUSY)

    def put(self, sender, batch):
        sender.ask("POST", "/write?db=race", batch.lines())

    def settle(self):
        self.rest(COLD_S + 12)

    def ask(self, question):
        text = urllib.parse.quote(INFLUXQL[question](self.data.told))
        return self.line.ask("GET", f"/query?db=race&epoch=s&q={text}")

    def rows(self, question, answer):
        result = json.loads(answer)["results"][0]
        if "error" in result:
            raise RuntimeError(f"{result}")
        return [row for series in result.get("series", []) for row in READ[question](series)]


class InfluxDecimals(Influx):
    name = "InfluxDB 1.6, wide, decimals"
    how = (
        "the same fed numbers as a display shows them, which it keeps as floats; its answers are compared after "
        "rounding to the register's last digit"
    )
    form = "decimals"

    def rows(self, question, answer):
        """As last digits again: the value is the last of a row, the register where a question says."""
        scales, place = self.data.told["scales"], REGISTER[question]
        for *key, value in super().rows(question, answer):
            scale = scales[0 if place is None else key[place]]
            yield (*key, round(decimal.Decimal(repr(value)).scaleb(scale)))


# Of a row before its value.
REGISTER = {"last_day": 0, "consumption": None, "daily": 1, "latest": 1, "hourly": 0}


def within(told):
    return f"time >= {told['from_s']}s AND time < {told['to_s']}s"


INFLUXQL = {
    "last_day": lambda told: f"SELECT * FROM m WHERE home = '{told['home']}' "
    f"AND time >= {told['last_day_from_s']}s AND time < {told['to_s']}s",
    "consumption": lambda told: f"SELECT max(r00) - min(r00) FROM m WHERE {within(told)} GROUP BY home",
    "daily": lambda told: f"SELECT count(*), sum(*) FROM m WHERE {within(told)} GROUP BY home, time(1d)",
    "latest": lambda told: "SELECT last(*) FROM m GROUP BY home",
    "hourly": lambda told: f"SELECT count(*), sum(*) FROM m WHERE {within(told)} GROUP BY time(1h)",
    "everything": lambda told: "SELECT * FROM m",
}


def columns(series, prefix):
    """Place and register of columns such as `sum_r07`."""
    names = enumerate(series["columns"])
    return [(at, int(name.removeprefix(prefix))) for at, name in names if name.startswith(prefix)]


def spread(series):
    """A row a register instead of a column."""
    return [(register, row[0], row[at]) for row in series["values"] for at, register in columns(series, "r")]


def consumption(series):
    return [(int(series["tags"]["home"]), row[1]) for row in series["values"]]


def latest(series):
    row, home = series["values"][0], int(series["tags"]["home"])
    return [(home, register, row[at]) for at, register in columns(series, "last_r")]


def totals(series):
    key = (int(series["tags"]["home"]),) if "tags" in series else ()
    pairs = list(zip(columns(series, "count_r"), columns(series, "sum_r")))
    for row in series["values"]:
        for (count, register), (total, _) in pairs:
            yield (*key, register, row[0], row[count], row[total])


def everything(series):
    """A row a register; the tag stands among the columns."""
    home = series["columns"].index("home")
    for row in series["values"]:
        yield from ((int(row[home]), register, row[0], row[at]) for at, register in columns(series, "r"))


READ = {
    "last_day": spread,
    "consumption": consumption,
    "daily": totals,
    "latest": latest,
    "hourly": totals,
    "everything": everything,
}
