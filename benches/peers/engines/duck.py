"""DuckDB: one INSERT of Arrow columns a batch, each a transaction of its own."""

import importlib.metadata
import pathlib

from engines.inside import Inside
from measure import below

# A block of ClickHouse's Native holds its columns one after the other, each behind name and type.
COLUMNS = {"home": "<u4", "register": "<u2", "ts": "<u4", "value": "<i8"}


class Duck(Inside):
    name = "DuckDB"
    how = "defaults: an fsync of its log before each transaction ends; 5,000 messages an INSERT, Arrow"
    acknowledged_by = "the end of the INSERT, by default after an fsync of its log"
    module, engine = "engines.duck", "Engine"

    @classmethod
    def ready(cls):
        return importlib.metadata.version("duckdb")


class DuckKeyed(Duck):
    name = "DuckDB, key"
    how = "the same with a primary key of home, register and time; INSERT OR IGNORE"
    acknowledged_by = "the end of the INSERT OR IGNORE, by default after an fsync of its log; a primary key"
    words = ["key"]


class Engine:
    def __init__(self, folder, told, *words):
        import duckdb

        self.told, self.folder = told, folder
        self.base = duckdb.connect(str(folder / "race.db"))
        self.base.execute("SET TimeZone = 'UTC'")
        key = ", PRIMARY KEY (home, register, ts)" if "key" in words else ""
        columns_and_key = f"home UINTEGER, register USMALLINT, ts TIMESTAMP_S, value BIGINT{key}"
        self.base.execute(f"CREATE TABLE IF NOT EXISTS m ({columns_and_key})")
        self.insert = "INSERT OR IGNORE" if key else "INSERT"

    def feed(self, path):
        batch = columns(path)
        self.base.register("batch", batch)
        self.base.execute("INSERT INTO m SELECT home, register, ts, value FROM batch")

    def put(self, values):
        rows = f"(VALUES {values}) batch (home, register, at_s, value)"
        self.base.execute(f"{self.insert} INTO m SELECT home, register, make_timestamp(at_s::BIGINT * 1000000), value FROM {rows}")

    def settle(self):
        self.base.execute("CHECKPOINT")

    def ask(self, question):
        return self.base.execute(SQL[question](self.told)).to_arrow_table()

    def rows(self, answer):
        return list(zip(*[[int(value) for value in column.to_pylist()] for column in answer.columns]))

    def standing_bytes(self):
        return below(self.folder)


def columns(path):
    """A file of one Native block as an Arrow table, without a copy of its numbers."""
    import numpy
    import pyarrow

    block = pathlib.Path(path).read_bytes()
    place, rows = 1, 0
    shift = 0
    while True:
        rows |= (block[place] & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if block[place - 1] < 0x80:
            break
    found = {}
    for name, kind in COLUMNS.items():
        for _ in range(2):
            place += 1 + block[place]
        numbers = numpy.frombuffer(block, kind, rows, place)
        place += numbers.nbytes
        found[name] = pyarrow.array(numbers.astype("i8"), pyarrow.timestamp("s")) if name == "ts" else numbers
    return pyarrow.table(found)


SQL = {
    "last_day": lambda told: "SELECT register, epoch(ts)::BIGINT, value FROM m WHERE home = "
    f"{told['home']} AND ts >= make_timestamp({told['last_day_from_s']}000000) AND ts < make_timestamp({told['to_s']}000000)",
    "consumption": lambda told: "SELECT home, max(value) - min(value) FROM m WHERE register = 0 GROUP BY home",
    "daily": lambda told: "SELECT home, register, epoch(date_trunc('day', ts))::BIGINT AS day, count(*), sum(value) "
    "FROM m GROUP BY home, register, day",
    "latest": lambda told: "SELECT home, register, arg_max(value, ts) FROM m GROUP BY home, register",
    "hourly": lambda told: "SELECT register, epoch(date_trunc('hour', ts))::BIGINT AS hour, count(*), sum(value) "
    "FROM m GROUP BY register, hour",
    "everything": lambda told: "SELECT home, register, epoch(ts)::BIGINT, value FROM m",
}
