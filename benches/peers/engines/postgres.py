"""PostgreSQL 15, fed binary COPY; its key keeps a measurement from being stored twice."""

import pathlib
import subprocess

from cache import CannotBeHad, debian
from engines.peer import Peer
from http_lines import feed
from process import Process, free_port, until

CONNECTIONS = 2
# Nobody's number: the server refuses to run as root, in a namespace where root is nobody it does not.
NOBODY = 65_534
INSTALLED = pathlib.Path("/usr/lib/postgresql/15/bin")


class Postgres(Peer):
    name = "PostgreSQL 15"
    how = (
        "defaults, which are an fsync before each commit; primary key of home, register and time; "
        "binary COPY of 5,000 messages a transaction, 2 connections; VACUUM ANALYZE and CHECKPOINT at the end"
    )

    acknowledged_by = "COMMIT, by default after an fsync of its log; a primary key, INSERT … ON CONFLICT DO NOTHING"

    @classmethod
    def ready(cls):
        if INSTALLED.exists():
            cls.binaries, cls.share = INSTALLED, []
        else:
            root = debian("postgresql-15", "postgresql-client-15", "libpq5", "libllvm14")
            cls.binaries, cls.share = root / "usr/lib/postgresql/15/bin", ["-L", root / "usr/share/postgresql/15"]
        said = subprocess.run([cls.binaries / "postgres", "--version"], capture_output=True, text=True)
        if said.returncode != 0:
            raise CannotBeHad(said.stderr.strip())
        return said.stdout.split()[2]

    def start(self):
        as_nobody = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
        base, self.port = self.folder / "base", free_port()
        if not base.exists():
            made = [*as_nobody, self.binaries / "initdb", *self.share, "-D", base, "-U", "race", "-A", "trust", "-E", "UTF8"]
            done = subprocess.run(made, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(done.stderr)
        where = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}", "-c", f"unix_socket_directories={self.folder}"]
        self.process = Process([*as_nobody, self.binaries / "postgres", "-D", base, *where], self.log)
        self.line = until(self.open_line, self.process)
        self.line.execute(
            "CREATE TABLE IF NOT EXISTS m (home int, register smallint, ts timestamptz, value bigint, "
            "PRIMARY KEY (home, register, ts))"
        )

    def open_line(self):
        import psycopg

        where = f"host=127.0.0.1 port={self.port} user=race dbname=postgres options='-c timezone=UTC'"
        return psycopg.connect(where, autocommit=True)

    def feed(self):
        feed(self.data.batches("copy"), CONNECTIONS, self.open_line, copied)

    def sender(self):
        return self.open_line()

    def put(self, sender, batch):
        """As one who may have sent it before."""
        rows = f"(VALUES {batch.values()}) batch (home, register, at_s, value)"
        sender.execute(f"INSERT INTO m SELECT home, register, to_timestamp(at_s), value FROM {rows} ON CONFLICT DO NOTHING")

    def settle(self):
        self.line.execute("VACUUM ANALYZE m")
        self.line.execute("CHECKPOINT")
        self.rest()

    def ask(self, question):
        return self.line.execute(SQL[question](self.data.told)).fetchall()

    def rows(self, question, answer):
        return [tuple(map(int, row)) for row in answer]

    def standing_bytes(self):
        return self.line.execute("SELECT pg_total_relation_size('m')").fetchone()[0]


def copied(line, body):
    with line.cursor().copy("COPY m (home, register, ts, value) FROM STDIN (FORMAT binary)") as copy:
        copy.write(body)


def within(told):
    return f"ts >= to_timestamp({told['last_day_from_s']}) AND ts < to_timestamp({told['to_s']})"


SQL = {
    "last_day": lambda told: "SELECT register, extract(epoch FROM ts)::bigint, value FROM m "
    f"WHERE home = {told['home']} AND {within(told)}",
    "consumption": lambda told: "SELECT home, max(value) - min(value) FROM m WHERE register = 0 GROUP BY home",
    "daily": lambda told: "SELECT home, register, extract(epoch FROM date_trunc('day', ts))::bigint AS day, count(*), sum(value) "
    "FROM m GROUP BY home, register, day",
    "latest": lambda told: "SELECT DISTINCT ON (home, register) home, register, value FROM m ORDER BY home, register, ts DESC",
    "hourly": lambda told: "SELECT register, extract(epoch FROM date_trunc('hour', ts))::bigint AS hour, count(*), sum(value) "
    "FROM m GROUP BY register, hour",
    "everything": lambda told: "SELECT home, register, extract(epoch FROM ts)::bigint, value FROM m",
}
