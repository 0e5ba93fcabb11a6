"""What kills and power cuts cost each engine, as Markdown for `benches/RESULTS.md`."""

from numbered import ROWS

HEADS = [
    "strike",
    "rounds",
    "acknowledged rows",
    "lost",
    "rounds with loss",
    "doubled",
    "doubled once sent again",
    "wrong",
    "never sent",
    "would not start",
]


def markdown(told):
    lines = [
        f"Machine: {told['machine']}. {told['at']}. Seed {told['seed']}.\n",
        f"| rows | {' | '.join(HEADS)} |",
        f"|---{'|---' * len(HEADS)}|",
    ]
    for (engine, strike), lives in grouped(told["lives"]).items():
        lines.append(f"| {engine} | {strike} | {' | '.join(cells(toll(lives)))} |")
    lines += ["", *(f"- {engine} {told['versions'][engine]} acknowledges by {by}." for engine, by in told["acknowledged_by"].items())]
    lines += [f"- Not tried: {what}: {' '.join(reason.split())[-300:]}" for what, reason in told["missing"].items()]
    lines += [f"- {text}" for life in told["lives"] if (text := _unanswered(life))]
    return "\n".join(lines) + "\n"


def grouped(lives):
    """By engine and strike, in the order in which they came."""
    groups = {}
    for life in lives:
        groups.setdefault((life["engine"], life["strike"]), []).append(life)
    return groups


def toll(lives):
    """The sums; a life that was not looked at to its end counts only as that."""
    seen = [life for life in lives if "second" in life]
    losses = [life["first"]["lost"] + life["second"]["lost"] for life in seen]
    return {
        "rounds": len(lives),
        "acknowledged": sum(life["batches_acknowledged"] for life in seen) * ROWS,
        "lost": sum(losses),
        "rounds_with_loss": sum(loss > 0 for loss in losses),
        "doubled": sum(life["first"]["doubled"] for life in seen),
        "doubled_again": sum(life["second"]["doubled"] - life["first"]["doubled"] for life in seen),
        "wrong": sum(max(life[look]["wrong"] for look in ("first", "second")) for life in seen),
        "never_sent": sum(max(life[look]["never_sent"] for look in ("first", "second")) for life in seen),
        "not_started": sum("not_started" in life for life in lives),
        "not_answered": sum("not_answered" in life for life in lives),
    }


def cells(toll):
    *figures, not_started, not_answered = toll.values()
    ended = f"{not_started}" + (f", {not_answered} no answer" if not_answered else "")
    return [*(f"{figure:,}" for figure in figures), ended]


def spotless(lives):
    """Whether nothing was lost, doubled or changed, and it started and answered each time."""
    of_all = toll(lives)
    return not any(of_all[what] for what in of_all if what not in ("rounds", "acknowledged"))


def _unanswered(life):
    for what, words in [("not_started", "would not start"), ("not_answered", "gave no answer")]:
        if what in life:
            return f"{life['engine']}, {life['strike']}, seed {life['seed']}: {words}: {' '.join(life[what].split())[-300:]}"
    return None
