"""VictoriaMetrics of Debian, fed wide lines of InfluxDB's protocol."""

import json
import urllib.parse

from cache import debian
from engines.peer import Peer
from http_lines import Line, feed
from process import Process, free_port, until

CONNECTIONS = 4
DAY_S, HOUR_S = 86_400, 3_600
EVERY = '{__name__=~"m_r.+"}'


class Victoria(Peer):
    name = "VictoriaMetrics, wide"
    how = (
        "defaults, which are without any fsync before an acknowledgement, and no setting for one was found; "
        "retention of 100 years; wide lines, 5,000 a request, 4 connections"
    )

    acknowledged_by = "HTTP 204, by default once it is in memory; no setting for more was found"

    # Of the command line.
    flags = []

    @classmethod
    def ready(cls):
        cls.binary = debian("victoria-metrics") / "usr/bin/victoria-metrics"
        return "1.79.5 of Debian 12"

    def start(self):
        self.port = free_port()
        command = [
            self.binary,
            f"-storageDataPath={self.folder}/data",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            *self.flags,
        ]
        self.process = Process(command, self.log)
        self.line = Line(self.port)
        until(lambda: self.line.ask("GET", "/health"), self.process)

    def feed(self):
        feed(self.data.batches("lines"), CONNECTIONS, lambda: Line(self.port), lambda line, body: line.ask("POST", "/write", body))

    def sender(self):
        return Line(self.port)

    def put(self, sender, batch):
        sender.ask("POST", "/write", batch.lines())

    def visible(self):
        self.line.ask("GET", "/internal/force_flush")

    def settle(self):
        self.rest(5)

    def ask(self, question):
        return self.line.ask("GET", QUERIES[question](self.data.told))

    def rows(self, question, answer):
        return READ[question](answer)


class VictoriaOnce(Victoria):
    name = "VictoriaMetrics, wide, dedup"
    how = "the same with -dedup.minScrapeInterval: of samples of one moment it tells one"
    acknowledged_by = "HTTP 204, once it is in memory; -dedup.minScrapeInterval=1ms for samples that come again"
    flags = ["-dedup.minScrapeInterval=1ms"]


def query(told, text):
    """As of the last second of the data, or of one that follows it."""
    return f"/api/v1/query?nocache=1&time={told['to_s'] - 1}&query={urllib.parse.quote(text)}"


def export(match, from_s, to_s):
    """Samples as they are stored."""
    return f"/api/v1/export?match[]={urllib.parse.quote(match)}&start={from_s}&end={to_s - 1}"


def every(told, text, width):
    """At the last second of every stretch of time: a window holds what is younger than its length."""
    ends = told["from_s"] + width - 1
    last = ends + (told["to_s"] - 1 - told["from_s"]) // width * width
    return f"/api/v1/query_range?nocache=1&start={ends}&end={last}&step={width}&query={urllib.parse.quote(text)}"


def totals(of):
    """Sum and count in one answer, told apart by a label."""
    parts = [f'label_set({of(name)}, "total", "{name}")' for name in ("sum", "count")]
    return f"union({', '.join(parts)})"


def by_hour(name):
    return f"sum({name}_over_time({EVERY}[1h]) keep_metric_names) by (__name__)"


QUERIES = {
    "last_day": lambda told: export(
        f'{{__name__=~"m_r.+",home="{told["home"]}"}}', told["last_day_from_s"], told["to_s"]
    ),
    "consumption": lambda told: query(
        told, f"max_over_time(m_r00[{told['minutes']}m]) - min_over_time(m_r00[{told['minutes']}m])"
    ),
    "daily": lambda told: every(told, totals(lambda name: f"{name}_over_time({EVERY}[1d]) keep_metric_names"), DAY_S),
    "latest": lambda told: query(told, f"last_over_time({EVERY}[1d])"),
    "hourly": lambda told: every(told, totals(by_hour), HOUR_S),
    "everything": lambda told: export(EVERY, told["from_s"], told["to_s"]),
}


def register(series):
    return int(series["metric"]["__name__"].removeprefix("m_r"))


def home(series):
    return int(series["metric"]["home"])


def result(answer):
    return json.loads(answer)["data"]["result"]


def whole(text):
    """As a whole number, or as what it is where it is none."""
    number = float(text)
    return int(number) if number.is_integer() else number


def everything(answer):
    for series in map(json.loads, answer.splitlines()):
        for at_ms, value in zip(series["timestamps"], series["values"]):
            yield home(series), register(series), at_ms // 1_000, whole(value)


def exported(answer):
    return (row[1:] for row in everything(answer))


def latest(answer):
    return [(home(series), register(series), whole(series["value"][1])) for series in result(answer)]


def consumption(answer):
    return [(home(series), whole(series["value"][1])) for series in result(answer)]


def summed(key, width):
    def read(answer):
        found = {}
        for series in result(answer):
            for at, value in series["values"]:
                place = (*key(series), int(at) + 1 - width)
                found.setdefault(place, {})[series["metric"]["total"]] = whole(value)
        return [(*place, total["count"], total["sum"]) for place, total in found.items()]

    return read


READ = {
    "last_day": exported,
    "consumption": consumption,
    "daily": summed(lambda series: (home(series), register(series)), DAY_S),
    "latest": latest,
    "hourly": summed(lambda series: (register(series),), HOUR_S),
    "everything": everything,
}
