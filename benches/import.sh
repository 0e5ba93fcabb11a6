#!/usr/bin/env bash
# What an import costs through the whole path, without any generator: processor
# time, peak memory and bytes of lake for each of several runs.
#
#   cargo build --release && benches/import.sh [meters] [days] [runs]
#
# Needs python3 and GNU time. The file is NEM12, half-hours with three decimals, the same for the same sizes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
meters="${1:-500}" days="${2:-365}" runs="${3:-5}"
binary="${CARGO_TARGET_DIR:-target}/release/meterhouse"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

python3 - "$meters" "$days" >"$scratch/readings.csv" <<'PYTHON'
import datetime, random, sys
meters, days = int(sys.argv[1]), int(sys.argv[2])
random.seed(5)
print("100,NEM12,202501010000,MDP1,RET1")
for meter in range(meters):
    print(f"200,NMI{meter:07d},E1,001,E1,N1,MET{meter:06d},kWh,30,")
    for number in range(days):
        day = datetime.date(2024, 1, 1) + datetime.timedelta(number)
        values = ",".join(f"{random.gammavariate(2, 0.15):.3f}" for _ in range(48))
        print(f"300,{day:%Y%m%d},{values},A,,,20250102000000,")
print("900")
PYTHON

readings=$((meters * days * 48))
bytes="$(stat -c %s "$scratch/readings.csv")"
echo "$readings readings, $bytes bytes of NEM12"
for _ in $(seq "$runs"); do
  rm -rf "$scratch/data"
  # GNU time; the shell's own would not tell the memory.
  /usr/bin/env time -f '%U %S %e %M' -o "$scratch/cost" \
    "$binary" --data-dir "$scratch/data" --json import "$scratch/readings.csv" >"$scratch/said"
  grep -q "\"accepted\":$readings" <(tr -d ' \n' <"$scratch/said") || { cat "$scratch/said"; exit 1; }
  awk -v readings="$readings" -v bytes="$bytes" -v lake="$(du -sb "$scratch/data/lake" | cut -f1)" '{
    cpu = $1 + $2
    printf "%.2f CPU-s, %.2f s, %.3f CPU-s per million readings, %.1f MB/s of processor, %d MB peak, %.2f bytes a reading\n",
      cpu, $3, cpu * 1e6 / readings, bytes / cpu / 1e6, $4 / 1000, lake / readings
  }' "$scratch/cost"
done
