"""Ours and others, killed and cut off while they are fed: what each acknowledged against what it still has.

Promise: every engine is fed the same batches and struck at moments of the same seed; what
could not be tried is named with its reason.

Read: `numbered.py` (the batches and how they are judged), `feeding.py` (the senders),
`life.py` (one strike), `volume.py` (a disk whose power fails), `toll.py` (the table).
"""

import concurrent.futures
import datetime
import json

import table
import toll
from cache import said
from engines import STRUCK, called, ready
from engines.meterhouse import Meterhouse
from life import STRIKES, live


class Crash:
    def __init__(self, asked):
        self.asked = asked
        self.versions, self.missing = {}, {}
        self.lives = []

    def run(self):
        wanted = called(STRUCK, self.asked.only)
        self.versions, self.missing = ready(wanted)
        peers = [peer for peer in wanted if peer.name in self.versions]
        plan = [
            (peer, strike, f"{self.asked.seed}/{peer.name}/{strike.name}/{turn}")
            for turn in range(self.asked.rounds)
            for strike in STRIKES
            for peer in peers
        ]
        with concurrent.futures.ThreadPoolExecutor(self.asked.at_once) as workers:
            try:
                self.lives = [life for life in workers.map(lambda one: self._live(*one), plan) if life]
            finally:
                workers.shutdown(cancel_futures=True)

    def _live(self, peer, strike, seed):
        try:
            told = live(peer, strike, seed)
        except Exception as error:
            said(f"{seed}: not tried: {error}")
            self.missing[seed] = str(error)
            return None
        said(f"{seed}: {', '.join(f'{what} {figure:,}' for what, figure in toll.toll([told]).items() if figure)}")
        return told

    def report(self, out):
        """Writes and prints what came out; 0 if all were tried and ours is as it should be."""
        struck = [peer for peer in STRUCK if peer.name in self.versions]
        places = {peer.name: place for place, peer in enumerate(struck)}
        strikes = {strike.name: place for place, strike in enumerate(STRIKES)}
        lives = sorted(self.lives, key=lambda life: (places[life["engine"]], strikes[life["strike"]]))
        told = {
            "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": table.machine(),
            "seed": self.asked.seed,
            "versions": self.versions,
            "acknowledged_by": {peer.name: peer.acknowledged_by for peer in struck},
            "missing": self.missing,
            "lives": lives,
        }
        text = toll.markdown(told)
        (out / "crash.json").write_text(json.dumps(told, indent=1) + "\n")
        (out / "crash.md").write_text(text)
        print(text)
        said(f"written: {out}/crash.md and crash.json")
        ours = [life for life in lives if life["engine"] == Meterhouse.name]
        return 0 if toll.spotless(ours) and not self.missing else 1
