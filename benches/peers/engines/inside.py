"""Engines that live inside their caller, each in a process of its own so that it can be measured."""

import json
import pathlib
import subprocess
import sys

from engines.peer import Peer
from process import Process

HERE = pathlib.Path(__file__).parent.parent


class Inside(Peer):
    # Where the engine is, and what else it is told.
    module, engine, words = "", "", []

    def start(self):
        manifest = self.data.folder / "manifest.json"
        command = [sys.executable, HERE / "embedded.py", self.module, self.engine, self.folder, manifest, *self.words]
        self.process = Process(command, self.log, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answer()

    def feed(self):
        for path in self.data.batches("native"):
            self.told(do="feed", path=str(path))

    def settle(self):
        self.told(do="settle")
        self.rest()

    def ask(self, question):
        self.told(do="ask", question=question)

    def rows(self, question, answer):
        return map(tuple, self.told(do="rows")["rows"])

    def standing_bytes(self):
        return self.told(do="standing_bytes")["bytes"]

    def told(self, **order):
        self.process.child.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.child.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self.process.child.stdout.readline()
        if not line:
            self.process.child.wait()
            self.process.alive()
        said = json.loads(line)
        if "error" in said:
            raise RuntimeError(said["error"])
        return said
