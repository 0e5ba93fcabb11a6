"""Those who run in the race, one file each, in the order in which they take turns."""

from engines.clickhouse import ClickHouse, ClickHouseSynced
from engines.duck import Duck
from engines.meterhouse import Meterhouse

ALL = [Meterhouse, ClickHouse, ClickHouseSynced, Duck]
