-- Readings as Meterhouse shows them, for DuckDB reading the lake by itself.
--
-- Between folds the table `readings` holds one version of each reading, and
-- `overlay` further ones of a few. These two views apply the overlay:
--   readings          the standing version of every reading
--   readings_history  every earlier version
-- Right after a fold they equal the tables `readings` and `history` as they lie.
--
-- Which version stands: newest message time, then newest file (issued_at), then
-- a fixed order of what is said: value as a number, unit by its code, unknown
-- units by their spelling, quality, reason. Texts compare byte by byte. Rows that
-- agree in message time and all that is said are one version; it was issued when
-- the newest of them was; of rows equal in that too, one whose flags tell of an
-- overlap (512). seq, device and scale decide nothing.
--
-- All three tables are read once each by every query: read them as of versions
-- that belong together, or do not write while you read.
CREATE OR REPLACE VIEW meterhouse_contested AS
WITH corrected AS (
    SELECT DISTINCT tenant, channel, start, span FROM {overlay}
),
stored AS (
    SELECT 0 AS place, {columns} FROM {readings}
    UNION ALL
    SELECT 1 AS place, {columns} FROM {history}
    UNION ALL
    SELECT 2 AS place, {columns} FROM {overlay}
),
rows_of_corrected AS (
    SELECT *,
        value::HUGEINT * ('1' || repeat('0', 18 - scale))::HUGEINT AS quantity_18,
        CASE WHEN unit_code = 255 THEN unit ELSE '' END AS unknown_unit
    FROM stored SEMI JOIN corrected USING (tenant, channel, start, span)
),
versions AS (
    SELECT * FROM rows_of_corrected
    QUALIFY row_number() OVER (
        PARTITION BY tenant, channel, start, span,
            message_time, quantity_18, unit_code, unknown_unit, quality, reason
        ORDER BY issued_at DESC, flags & 512 DESC, place, seq
    ) = 1
)
SELECT *, row_number() OVER (
    PARTITION BY tenant, channel, start, span
    ORDER BY message_time DESC, issued_at DESC,
        quantity_18 DESC, unit_code DESC, unknown_unit DESC, quality DESC, reason DESC
) AS standing
FROM versions;

CREATE OR REPLACE VIEW readings AS
SELECT {columns} FROM {readings} AS base
    ANTI JOIN (SELECT tenant, channel, start, span FROM {overlay}) AS corrected
    USING (tenant, channel, start, span)
UNION ALL
SELECT {settled columns} FROM meterhouse_contested WHERE standing = 1;

CREATE OR REPLACE VIEW readings_history AS
SELECT {columns} FROM {history} AS earlier
    ANTI JOIN (SELECT tenant, channel, start, span FROM {overlay}) AS corrected
    USING (tenant, channel, start, span)
UNION ALL
SELECT {settled columns} FROM meterhouse_contested WHERE standing > 1;
