"""One life of one engine: fed, struck, started again, looked at, sent some of it again, looked at.

Promise: an acknowledgement counts only if it was read before the strike began.
"""

import dataclasses
import itertools
import math
import pathlib
import random
import shutil
import tempfile
import time

from feeding import Feeding, Ledger
from numbered import Found, Numbered, compared
from volume import Volume

# From the first batch to the strike, spread evenly over the logarithm: most are short.
LIFE_MIN_S, LIFE_MAX_S = 0.3, 40.0
# Of the batches that were acknowledged, so many are sent once more.
AGAIN_SHARE, AGAIN_MAX = 0.1, 200
BROKEN_TOLD_MAX = 20


class Kill:
    """Nothing but the processes end."""

    name = "kill -9"

    def __init__(self, folder):
        self.path = folder

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """The folder is its maker's."""

    def synced(self):
        """A kill takes nothing from the disk."""

    def strike(self, peer):
        peer.kill()


class PowerCut(Volume):
    name = "power cut"

    def strike(self, peer):
        self.cut()
        peer.kill()
        self.power_on()


STRIKES = [Kill, PowerCut]


def live(make, strike, seed):
    """What was found, in figures; `not_started` or `not_answered` says why there are none."""
    told = {"engine": make.name, "strike": strike.name, "seed": seed}
    folder = pathlib.Path(tempfile.mkdtemp(prefix="meterhouse-crash-"))
    try:
        with strike(folder) as place:
            (place.path / "engine").mkdir()
            peer = make(place.path / "engine", Numbered(folder))
            peer.log = folder / "log"
            try:
                told.update(_struck(peer, place, random.Random(seed)))
            finally:
                peer.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return told


def _struck(peer, place, chance):
    peer.start()
    ledger = Ledger()
    Feeding(peer, [0], ledger).join()
    # It is no newcomer: its files are made and on the disk. And it is seen that it can be read.
    if (read := compared(peer.everything(), {0}, {0})) != Found():
        raise RuntimeError(f"what was never struck is not right: {read}")
    place.synced()
    life_s = math.exp(chance.uniform(math.log(LIFE_MIN_S), math.log(LIFE_MAX_S)))
    feeding = Feeding(peer, itertools.count(1), ledger)
    time.sleep(life_s)
    ledger.close()
    place.strike(peer)
    feeding.join()
    told = {"life_s": life_s, "batches_sent": len(ledger.sent), "batches_acknowledged": len(ledger.acknowledged)}
    begun = time.monotonic()
    try:
        peer.start()
    except Exception as error:
        return {**told, "not_started": str(error)}
    told["start_s"] = time.monotonic() - begun
    try:
        return {**told, **_looked(peer, ledger, chance)}
    except Exception as error:
        return {**told, "not_answered": str(error)}


def _looked(peer, ledger, chance):
    """Once before anything is sent again, and once after."""
    first = compared(peer.everything(), ledger.sent, ledger.acknowledged)
    again = sent_again(ledger, chance)
    resent = Ledger()
    Feeding(peer, again, resent).join()
    # What was missing already is not counted again, unless it was sent again.
    owed = (ledger.acknowledged - set(first.broken)) | resent.acknowledged
    second = compared(peer.everything(), ledger.sent, owed)
    return {"first": figures(first), "again": len(again), "second": figures(second)}


def figures(found):
    """With the first of the broken batches alone: there may be thousands."""
    return {**dataclasses.asdict(found), "broken": found.broken[:BROKEN_TOLD_MAX]}


def sent_again(ledger, chance):
    """What a client sends that never saw some answers: all without one, and a part of the others."""
    acknowledged = sorted(ledger.acknowledged)
    part = min(AGAIN_MAX, math.ceil(len(acknowledged) * AGAIN_SHARE))
    again = sorted(ledger.sent - ledger.acknowledged) + chance.sample(acknowledged, part)
    chance.shuffle(again)
    return again
