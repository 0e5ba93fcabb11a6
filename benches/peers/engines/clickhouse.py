"""ClickHouse as chdb: one INSERT of a Native file a batch, its own merges in the background."""

import importlib.metadata
import io

from engines.inside import Inside


class ClickHouse(Inside):
    name = "ClickHouse (chdb)"
    how = "MergeTree at its defaults: no fsync; 5,000 messages an INSERT, Native"
    acknowledged_by = "the end of the INSERT, by default without an fsync"
    module, engine = "engines.clickhouse", "Engine"

    @classmethod
    def ready(cls):
        return importlib.metadata.version("chdb")


class ClickHouseSynced(ClickHouse):
    name = "ClickHouse (chdb), fsync"
    how = "the same with fsync_after_insert and fsync_part_directory: fsync before each INSERT ends"
    words = ["fsync"]


class ClickHouseOnce(ClickHouseSynced):
    name = "ClickHouse (chdb), fsync, window"
    how = "the same with non_replicated_deduplication_window: a block that comes again is dropped"
    acknowledged_by = (
        "the end of the INSERT, after fsyncs (fsync_after_insert, fsync_part_directory); "
        "non_replicated_deduplication_window for blocks that come again"
    )
    words = ["fsync", "window"]


# Of the table, by the word it is asked with.
SETTINGS = {
    "fsync": "fsync_after_insert = 1, fsync_part_directory = 1",
    "window": "non_replicated_deduplication_window = 100000",
}


class Engine:
    def __init__(self, folder, told, *words):
        from chdb import session

        self.told = told
        self.session = session.Session(str(folder / "db"))
        self.session.query("CREATE DATABASE IF NOT EXISTS race ENGINE = Atomic")
        settings = f" SETTINGS {', '.join(SETTINGS[word] for word in words)}" if words else ""
        self.session.query(
            "CREATE TABLE IF NOT EXISTS race.m (home UInt32 CODEC(Delta, ZSTD(1)), register UInt16 CODEC(Delta, ZSTD(1)), "
            "ts DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)), value Int64 CODEC(Delta, ZSTD(1))) "
            "ENGINE = MergeTree ORDER BY (home, register, ts) PARTITION BY toYYYYMM(ts)" + settings
        )

    def feed(self, path):
        self.session.query(f"INSERT INTO race.m SELECT home, register, ts, value FROM file('{path}', Native)")

    def put(self, values):
        self.session.query(f"INSERT INTO race.m (home, register, ts, value) VALUES {values}")

    def settle(self):
        """Nothing is asked of it: its merges go on by themselves, and the caller waits for them."""

    def ask(self, question):
        return self.session.query(SQL[question](self.told), "ArrowStream").bytes()

    def rows(self, answer):
        import pyarrow

        table = pyarrow.ipc.open_stream(io.BytesIO(answer)).read_all()
        return list(zip(*[column.cast("int64").to_pylist() for column in table.columns]))

    def standing_bytes(self):
        parts = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'race'"
        return int(str(self.session.query(parts, "CSV")).strip())


SQL = {
    "last_day": lambda told: "SELECT register, toUnixTimestamp(ts), value FROM race.m "
    f"WHERE home = {told['home']} AND ts >= {told['last_day_from_s']} AND ts < {told['to_s']}",
    "consumption": lambda told: "SELECT home, max(value) - min(value) FROM race.m WHERE register = 0 GROUP BY home",
    "daily": lambda told: "SELECT home, register, toUnixTimestamp(toStartOfDay(ts)) AS day, count(), sum(value) "
    "FROM race.m GROUP BY home, register, day",
    "latest": lambda told: "SELECT home, register, argMax(value, ts) FROM race.m GROUP BY home, register",
    "hourly": lambda told: "SELECT register, toUnixTimestamp(toStartOfHour(ts)) AS hour, count(), sum(value) "
    "FROM race.m GROUP BY register, hour",
    "everything": lambda told: "SELECT home, register, toUnixTimestamp(ts), value FROM race.m",
}
