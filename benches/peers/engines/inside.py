"""Engines that live inside their caller, each in a process of its own so that it can be measured."""

import contextlib
import json
import pathlib
import select
import subprocess
import sys

from engines.peer import Peer
from process import Process

HERE = pathlib.Path(__file__).parent.parent
# A question may take long; one that never ends must not keep the others waiting.
ANSWER_MAX_S = 600


class Inside(Peer):
    # Where the engine is, and what else it is told.
    module, engine, words = "", "", []
    # It has one caller, which asks one thing after the other.
    senders = 1

    def start(self):
        manifest = self.data.folder / "manifest.json"
        command = [sys.executable, HERE / "embedded.py", self.module, self.engine, self.folder, manifest, *self.words]
        self.process = Process(command, self.log, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answer()

    def feed(self):
        for path in self.data.batches("native"):
            self.told(do="feed", path=str(path))

    def sender(self):
        return contextlib.nullcontext()

    def put(self, sender, batch):
        self.told(do="put", values=batch.values())

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
        # It never says more than one line at a time, so none waits in between.
        if not select.select([self.process.child.stdout], [], [], ANSWER_MAX_S)[0]:
            raise RuntimeError(f"no answer in {ANSWER_MAX_S} s")
        line = self.process.child.stdout.readline()
        if not line:
            self.process.child.wait()
            self.process.alive()
        said = json.loads(line)
        if "error" in said:
            raise RuntimeError(said["error"])
        return said
