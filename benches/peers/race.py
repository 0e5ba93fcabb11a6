"""All peers on all data sets, run after run, and what is written about it."""

import datetime
import json
import os
import subprocess

import chart
import goals
import table
from cache import said
from data import Data
from engines import ALL, called, ready
from engines.meterhouse import LOADGEN
from measure import run


class Race:
    def __init__(self, asked, scratch):
        self.asked, self.scratch = asked, scratch
        self.versions, self.missing = {}, {}
        self.sets = {}
        # By set and name: one figure a run.
        self.runs = {}

    def run(self):
        wanted = called(ALL, self.asked.only)
        self.versions, self.missing = ready(wanted)
        peers = [peer for peer in wanted if peer.name in self.versions]
        for name in [self.asked.data] if self.asked.data else ["A", "B"]:
            data = self._data(name)
            self.sets[name] = data.told
            self.runs[name] = {peer.name: [] for peer in peers}
            for turn in range(self.asked.runs):
                for peer in peers:
                    self._run(name, peer, data, turn)

    def _data(self, name):
        folder = self.scratch / name
        command = [LOADGEN, "peers-data", "--set", name, "--out", folder]
        subprocess.run(command + (["--small"] if self.asked.small else []), check=True)
        return Data(folder)

    def _run(self, name, peer, data, turn):
        load = os.getloadavg()[0]
        try:
            figures = run(peer, data)
        except Exception as error:
            said(f"{peer.name} failed on {name}: {error}")
            self.missing[f"{peer.name}, {name}, run {turn + 1}"] = str(error)
            return
        figures["load_before"] = load
        self.runs[name][peer.name].append(figures)
        said(
            f"{name} {turn + 1}/{self.asked.runs} {peer.name}: {figures['cpu_s_per_million']:.2f} CPU-s/M, "
            f"{figures['measurements_per_s']:,.0f}/s, {figures['bytes_per_row']:.2f} bytes a row, load {load:.1f}"
        )

    def report(self, out):
        """Writes and prints what came out; 0 if everyone asked for ran and told the truth."""
        told = {
            "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": table.machine(),
            "small": self.asked.small,
            "sets": self.sets,
            "versions": self.versions,
            "how": {peer.name: peer.how for peer in ALL if peer.name in self.versions},
            "missing": self.missing,
            "runs": self.runs,
            "goals": [] if self.asked.small else goals.judged(self.runs),
        }
        text = table.markdown(told)
        (out / "peers.json").write_text(json.dumps(told, indent=1) + "\n")
        (out / "peers.md").write_text(text)
        (out / "peers.svg").write_text(chart.svg(told))
        print(text)
        said(f"written: {out}/peers.md, peers.json and peers.svg")
        wrong = any(goals.untrue(runs) for peers in self.runs.values() for runs in peers.values())
        return 1 if wrong or self.missing else 0
