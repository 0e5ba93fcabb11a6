#!/usr/bin/env bash
# Holds a server against its own description, with requests that schemathesis makes up.
#
#   pip install schemathesis==4.32.5 && cargo build && crates/server/tests/schemathesis.sh [options of st]
#
# It runs a server of its own with a little data, for about a minute. What no description
# can say stands in schemathesis.toml. METERHOUSE names another binary, ST another `st`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

METERHOUSE=${METERHOUSE:-target/debug/meterhouse}
ST=${ST:-st}
dir=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
server=
export METERHOUSE_DATA_DIR=$dir/data

day() {
  printf '100,NEM12,200404201300,MDA1,Ret1\n200,CCCC123456,E1,001,E1,N1,METSER123,kWh,30,\n300,20040417'
  printf ',%s' $(yes 1.25 | head -47) "$1"
  printf ',A,,,20040420010203,20040419003500\n900\n'
}
day 1.25 >"$dir/day.csv"
day 1.2x >"$dir/wrong.csv"
"$METERHOUSE" import "$dir/day.csv" "$dir/wrong.csv" || [ $? -eq 3 ] # one of them is refused

token=$("$METERHOUSE" token create --scopes read,write 2>/dev/null)
RUST_LOG=info "$METERHOUSE" serve --listen 127.0.0.1:0 2>"$dir/log" &
server=$!
address=
while [ -z "$address" ]; do
  kill -0 "$server" || { cat "$dir/log"; exit 1; }
  sleep 0.1
  address=$(grep -o 'address=[0-9.:]*' "$dir/log" | head -1 | cut -d= -f2 || true)
done

"$ST" run "http://$address/v1/openapi.json" -H "Authorization: Bearer $token" --max-examples 50 "$@"
