"""Those who run in the race, one file each, in the order in which they take turns."""

from engines.chain import Chain, ChainBatches
from engines.clickhouse import ClickHouse, ClickHouseSynced
from engines.duck import Duck
from engines.influx import Influx, InfluxDecimals
from engines.meterhouse import Meterhouse
from engines.postgres import Postgres
from engines.victoria import Victoria

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
