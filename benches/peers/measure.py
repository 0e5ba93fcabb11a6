"""One run of one peer: fed, at rest, asked, wiped."""

import pathlib
import shutil
import tempfile
import time

from cache import said
from data import QUESTIONS, difference

# A question is asked until so much processor time is used up: a tick is 10 ms.
CPU_ENOUGH_S = 0.4
ASKED_MIN, ASKED_MAX = 3, 200


def run(make, data):
    """Figures of one peer on one data set; `make` opens it in a folder of its own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="meterhouse-peers-"))
    peer = make(folder, data)
    try:
        peer.start()
        return _figures(peer, data)
    finally:
        peer.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _figures(peer, data):
    millions = data.rows / 1e6
    parts_before, before, begun = peer.parts(), peer.cpu_s(), time.monotonic()
    peer.feed()
    seconds = time.monotonic() - begun
    acknowledged = peer.cpu_s()
    peer.visible()
    seconds_visible = time.monotonic() - begun
    peer.settle()
    settled = peer.cpu_s()
    figures = {
        "measurements_per_s_acknowledged": data.rows / seconds,
        "measurements_per_s": data.rows / seconds_visible,
        "cpu_s_per_million_acknowledged": (acknowledged - before) / millions,
        "cpu_s_per_million": (settled - before) / millions,
        "bytes_per_row": peer.standing_bytes() / data.rows,
        "bytes_per_row_now": below(peer.folder) / data.rows,
        "peak_bytes_fed": peer.peak_bytes(),
        "parts_cpu_s_per_million": {part: (used - parts_before[part]) / millions for part, used in peer.parts().items()},
        "questions": {question: asked(peer, question, data.truth[question]) for question in QUESTIONS},
    }
    figures["peak_bytes"] = peer.peak_bytes()
    return figures


def asked(peer, question, truth):
    """The answer is compared first; one that is not the truth is not measured."""
    try:
        wrong = difference(truth, peer.rows(question, peer.ask(question)))
    except Exception as error:
        wrong = f"no answer: {error}"
    if wrong:
        said(f"{peer.name}, {question}: {wrong}")
        return {"wrong": wrong}
    before, begun, times = peer.cpu_s(), time.monotonic(), 0
    while times < ASKED_MIN or (times < ASKED_MAX and peer.cpu_s() - before < CPU_ENOUGH_S):
        peer.ask(question)
        times += 1
    return {
        "cpu_ms": (peer.cpu_s() - before) * 1e3 / times,
        "ms": (time.monotonic() - begun) * 1e3 / times,
        "times": times,
    }


def below(folder):
    """Bytes of all files as they lie there now; of one with holes what it takes up."""
    stats = [path.lstat() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(min(stat.st_size, stat.st_blocks * 512) for stat in stats)
