"""The goals of the race, and which of them hold.

Promise: a ratio is told only where both sides answered with the truth in every run.
"""

import statistics

OURS = "Meterhouse"
INFLUX = "InfluxDB 1.6, wide"
VICTORIA = "VictoriaMetrics, wide"
CHDB = "ClickHouse (chdb), fsync"
INFLUX_DECIMALS = "InfluxDB 1.6, wide, decimals"
CHAIN = "RabbitMQ + writer + InfluxDB, batches"
CHAIN_SINGLE = "RabbitMQ + writer + InfluxDB"

CPU = "CPU-seconds a million"
# What is judged, on which set, of which figure, against whom, at most or at least, must and aim.
RATIOS = [
    (f"{CPU} against {peer}", name, "cpu_s_per_million", peer, "at most", must, aim)
    for peer, must, aim in [(INFLUX, 1 / 4, 1 / 8), (INFLUX_DECIMALS, 1 / 4, 1 / 8), (VICTORIA, 1.0, 0.6), (CHDB, 1.0, 0.6)]
    for name in "AB"
] + [
    (f"measurements/s against {peer}", name, "measurements_per_s", peer, "at least", 10, 30)
    for peer in (CHAIN, CHAIN_SINGLE)
    for name in "AB"
]
FIGURES = [
    ("bytes a row", "A", "bytes_per_row", 1.3, 0.8),
    ("bytes a row", "B", "bytes_per_row", 1.8, 1.4),
    ("latest of 60,000, CPU-ms", "B", "latest", 60, 20),
]
# Must is a share of chdb's CPU-ms, aim another share or a figure of our own in milliseconds.
QUESTIONS = [
    ("one device's last day", "last_day", 1.0, ("ms", 4.0)),
    ("daily totals of all", "daily", 1.0, ("share", 0.5)),
]


def judged(runs):
    """Every goal as a line: what, set, ours, theirs, result, must, aim, verdict."""
    lines = []
    for what, name, figure, peer, side, must, aim in RATIOS:
        ours, theirs = of(runs, name, OURS, figure), of(runs, name, peer, figure)
        if ours is None or theirs is None:
            lines.append(line(what, name, ours, theirs, None, f"{side} {must:g}", f"{aim:g}", None))
            continue
        ratio = ours / theirs
        keeps = (lambda bound: ratio <= bound) if side == "at most" else (lambda bound: ratio >= bound)
        lines.append(line(what, name, ours, theirs, ratio, f"{side} {must:g}", f"{aim:g}", verdict(keeps(must), keeps(aim))))
    for what, name, figure, must, aim in FIGURES:
        ours = of(runs, name, OURS, figure)
        said = None if ours is None else verdict(ours <= must, ours <= aim)
        lines.append(line(what, name, ours, None, None, f"at most {must:g}", f"{aim:g}", said))
    for what, question, must, (kind, aim) in QUESTIONS:
        for name in "AB":
            lines.append(_question(runs, what, name, question, must, kind, aim))
    return [told for told in lines if told["set"] in runs]


def _question(runs, what, name, question, must, kind, aim):
    ours, theirs = of(runs, name, OURS, question), of(runs, name, CHDB, question)
    bounds = f"at most {must:g} of chdb", f"{aim:g} ms" if kind == "ms" else f"{aim:g} of chdb"
    if ours is None or theirs is None:
        return line(f"{what}, CPU-ms", name, ours, theirs, None, *bounds, None)
    aimed = ours <= (aim if kind == "ms" else aim * theirs)
    return line(f"{what}, CPU-ms", name, ours, theirs, ours / theirs, *bounds, verdict(ours <= must * theirs, aimed))


def line(what, name, ours, theirs, ratio, must, aim, said):
    return {
        "what": what, "set": name, "ours": ours, "theirs": theirs, "ratio": ratio, "must": must, "aim": aim,
        "verdict": said or "not judged",
    }


def verdict(must, aim):
    return "aim" if aim else "must" if must else "missed"


def of(runs, name, peer, figure):
    """The median of a figure or a question; None where a run is missing or told an untruth."""
    of_peer = runs.get(name, {}).get(peer)
    if not of_peer or untrue(of_peer):
        return None
    return statistics.median(values(of_peer, figure))


def values(of_peer, figure):
    """One value a run: of a question its CPU-ms, where it was answered with the truth."""
    if figure in of_peer[0]["questions"]:
        answers = [one["questions"][figure] for one in of_peer]
        return [answer["cpu_ms"] for answer in answers if "wrong" not in answer]
    return [one[figure] for one in of_peer]


def untrue(of_peer):
    """What was answered wrongly, by question; empty if nothing."""
    return {
        question: answer["wrong"]
        for one in of_peer
        for question, answer in one["questions"].items()
        if "wrong" in answer
    }
