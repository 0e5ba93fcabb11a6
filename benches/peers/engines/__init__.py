"""Those who run in the race, one file each, in the order in which they take turns."""

from cache import CannotBeHad, said
from engines.chain import Chain, ChainBatches
from engines.clickhouse import ClickHouse, ClickHouseOnce, ClickHouseSynced
from engines.duck import Duck, DuckKeyed
from engines.influx import Influx, InfluxDecimals
from engines.meterhouse import Meterhouse
from engines.postgres import Postgres
from engines.victoria import Victoria, VictoriaOnce

ALL = [
    Meterhouse,
    Influx,
    InfluxDecimals,
    Victoria,
    ClickHouse,
    ClickHouseSynced,
    Duck,
    Postgres,
    Chain,
    ChainBatches,
]

# Those who are killed, at their defaults and as close to ours as their settings go.
STRUCK = [
    Meterhouse,
    Influx,
    Victoria,
    VictoriaOnce,
    ClickHouse,
    ClickHouseOnce,
    Duck,
    DuckKeyed,
    Postgres,
    Chain,
]


def called(peers, words):
    """Those of whose names one of the words is a part; all if there is no word."""
    found = [peer for peer in peers if not words or any(word.lower() in peer.name.lower() for word in words)]
    if not found:
        raise SystemExit(f"nobody is called {words}: {', '.join(peer.name for peer in peers)}")
    return found


def ready(peers):
    """Their versions, and why the others cannot be had, both by name."""
    versions, missing = {}, {}
    for peer in peers:
        try:
            versions[peer.name] = peer.ready()
        except CannotBeHad as reason:
            said(f"{peer.name} does not run: {reason}")
            missing[peer.name] = str(reason)
    return versions, missing
