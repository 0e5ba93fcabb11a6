"""The race: ours and what people would use instead, on the same data, in turn.

Promise: a figure stands beside another only if both answered every question with the
truth; what could not be run is named with its reason.

Read: `data.py` (the questions), `engines/peer.py` (what each can do), `measure.py` (one
run), `race.py` (all of them), `goals.py`,
`table.py` and `chart.py` (what comes of it), `cache.py`, `process.py`; `crash.py` (the same
engines, killed and cut off).
"""

import argparse
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import cache

HERE = pathlib.Path(__file__).parent


def arguments(words):
    parser = argparse.ArgumentParser(prog="cargo xtask peers", description="Ours and others on the same data, in turn.")
    parser.add_argument("--runs", type=int, metavar="N", help="of each, in turn (5; of small sets 1)")
    parser.add_argument("--only", action="append", metavar="PEER", help="part of a name; may be given several times")
    parser.add_argument("--data", choices=["A", "B"], help="one of the two data sets")
    parser.add_argument("--small", action="store_true", help="a fiftieth of the rows: whether it runs, not how well")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", help="of peers.md, peers.json and peers.svg (target/peers)")
    asked = parser.parse_args(words)
    asked.runs = asked.runs or (1 if asked.small else 5)
    return asked


def arguments_of_crash(words):
    parser = argparse.ArgumentParser(prog="cargo xtask peers crash", description="Ours and others, killed while they are fed.")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="of each engine and strike (20)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the same one strikes at the same moments (1)")
    parser.add_argument("--only", action="append", metavar="PEER", help="part of a name; may be given several times")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="lives side by side (1)")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", help="of crash.md and crash.json (target/peers)")
    return parser.parse_args(words)


def main():
    crashing = sys.argv[1:2] == ["crash"]
    asked = arguments_of_crash(sys.argv[2:]) if crashing else arguments(sys.argv[1:])
    # A person's or a scheduler's end must reach the servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    python = cache.python()
    if pathlib.Path(sys.executable) != python:
        os.execv(python, [str(python), str(HERE), *sys.argv[1:]])
    out = asked.out or pathlib.Path("target/peers")
    out.mkdir(parents=True, exist_ok=True)
    sys.exit(crash(asked, out) if crashing else race(asked, out))


def race(asked, out):
    from race import Race

    scratch = pathlib.Path(tempfile.mkdtemp(prefix="meterhouse-peers-data-"))
    try:
        run = Race(asked, scratch)
        run.run()
        return run.report(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def crash(asked, out):
    from crash import Crash

    run = Crash(asked)
    run.run()
    return run.report(out)


if __name__ == "__main__":
    main()
