"""The chart of the race as SVG: bars from zero at the median, a whisker from least to most.

Readable on light and dark ground; a peer whose answer was untrue has no bar.
"""

import statistics
from xml.sax.saxutils import escape

import goals
from data import QUESTIONS

WIDTH, LABEL, VALUE, GAP = 1040, 236, 64, 24
BAR, STEP, HEAD, TOP, BOTTOM = 10, 17, 30, 74, 20

FIGURES = [
    ("CPU-seconds a million measurements", "cpu_s_per_million", 1),
    ("thousand measurements/s, until they can be asked for", "measurements_per_s", 1e-3),
    ("bytes a row", "bytes_per_row", 1),
    *[(f"{text}, CPU-ms", question, 1) for question, text in QUESTIONS.items()],
]

STYLE = """
  text { font: 11px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; } .head { font-weight: 600; } .note, .value { fill: #59636e; }
  .ground { fill: #ffffff; } .bar { fill: #9aa4af; } .ours { fill: #0969da; } .whisker { stroke: #1f2328; stroke-width: 1.2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .note, .value { fill: #9198a1; }
    .ground { fill: #0d1117; } .bar { fill: #656c76; } .ours { fill: #4493f8; } .whisker { stroke: #f0f6fc; }
  }
"""


def svg(told):
    """Sets side by side, a panel a figure."""
    sets = list(told["runs"])
    peers = list(dict.fromkeys(name for of_set in told["runs"].values() for name, runs in of_set.items() if runs))
    high = HEAD + len(peers) * STEP
    height = TOP + len(FIGURES) * high + BOTTOM
    runs = max((len(runs) for of_set in told["runs"].values() for runs in of_set.values()), default=0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="What runs in the race cost and took">',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
        _text(GAP, 28, "The same measurements through each: what they cost", "title"),
        _text(GAP, 47, f"Median of {runs} runs, whiskers from least to most. {told['machine']}, {told['at'][:10]}.", "note"),
    ]
    wide = (WIDTH - LABEL - GAP) / len(sets)
    for column, name in enumerate(sets):
        left, of_set = LABEL + column * wide, told["sets"][name]
        size = f"{of_set['homes']:,} homes × {len(of_set['registers'])} registers × {of_set['minutes']:,} minutes"
        parts.append(_text(left, 68, f"{name}: {size}", "head"))
        for row, (_, figure, factor) in enumerate(FIGURES):
            parts += _panel(told["runs"][name], peers, figure, factor, left, TOP + row * high + HEAD, wide - VALUE - GAP)
    for row, (head, *_) in enumerate(FIGURES):
        top = TOP + row * high + HEAD
        parts.append(_text(GAP, top - 8, head, "head"))
        parts += [_text(GAP, top + at * STEP + BAR, peer, "") for at, peer in enumerate(peers)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(of_set, peers, figure, factor, left, top, wide):
    found = {peer: _values(of_set.get(peer), figure, factor) for peer in peers}
    most = max((max(values) for values in found.values() if values), default=0) or 1
    parts = []
    for at, peer in enumerate(peers):
        y = top + at * STEP
        if not found[peer]:
            parts.append(_text(left, y + BAR, "not comparable", "note"))
            continue
        least, middle, greatest = (of(found[peer]) * wide / most for of in (min, statistics.median, max))
        kind = "ours" if peer == goals.OURS else "bar"
        parts.append(f'<rect class="{kind}" x="{left:.1f}" y="{y + 1}" width="{max(middle, 1):.1f}" height="{BAR}" rx="1.5"/>')
        if greatest - least >= 1:
            x, middle_y = left + least, y + 1 + BAR / 2
            parts.append(f'<path class="whisker" d="M{x:.1f} {middle_y}H{left + greatest:.1f}M{x:.1f} {middle_y - 3}v6M{left + greatest:.1f} {middle_y - 3}v6"/>')
        parts.append(_text(left + greatest + 6, y + BAR, _said(statistics.median(found[peer])), "value"))
    return parts


def _values(runs, figure, factor):
    """Nothing where an answer was untrue: of a question its own, else any."""
    if not runs:
        return []
    wrong = goals.untrue(runs)
    if figure in wrong or (figure not in QUESTIONS and wrong):
        return []
    return [factor * value for value in goals.values(runs, figure)]


def _said(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _text(x, y, text, kind):
    return f'<text x="{x:.1f}" y="{y}" class="{kind}">{escape(text)}</text>'
