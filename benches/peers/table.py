"""The closing tables, as Markdown for `benches/RESULTS.md`."""

import os
import pathlib
import statistics
import subprocess

import goals
from data import QUESTIONS

# Head and figure, and how it is written.
COLUMNS = [
    ("CPU-s a million", "cpu_s_per_million", "{:.2f}", 1),
    ("until acknowledged", "cpu_s_per_million_acknowledged", "{:.2f}", 1),
    ("k measurements/s", "measurements_per_s", "{:,.0f}", 1e-3),
    ("acknowledged", "measurements_per_s_acknowledged", "{:,.0f}", 1e-3),
    ("bytes a row", "bytes_per_row", "{:.2f}", 1),
    ("all files now", "bytes_per_row_now", "{:.2f}", 1),
    ("peak MB", "peak_bytes", "{:,.0f}", 1e-6),
]


def markdown(told):
    parts = [f"Machine: {told['machine']}. {told['at']}."]
    if told["small"]:
        parts.append("Small sets: whether it runs, not how well. No figure here is a result.")
    for name, of_set in told["runs"].items():
        parts.append(_set(name, told["sets"][name], of_set))
    parts += [text for name, of_set in told["runs"].items() if (text := _parts(name, of_set))]
    if told["goals"]:
        parts.append(_goals(told["goals"]))
    parts.append("\n".join(f"- {name} {told['versions'][name]}: {how}." for name, how in told["how"].items()))
    if told["missing"]:
        parts.append("\n".join(f"- Did not run: {name}: {reason}" for name, reason in told["missing"].items()))
    return "\n\n".join(parts) + "\n"


def _set(name, told, of_set):
    heads = [head for head, *_ in COLUMNS] + [f"{text}, CPU-ms" for text in QUESTIONS.values()] + ["answers", "runs"]
    lines = [
        f"Data {name}: {told['homes']:,} homes × {len(told['registers'])} registers × {told['minutes']:,} minutes, "
        f"{told['rows'] / 1e6:.2f} M rows; median (least to most).\n",
        f"| {name} | {' | '.join(heads)} |",
        f"|---{'|---' * len(heads)}|",
    ]
    for peer, runs in of_set.items():
        if runs:
            lines.append(f"| {peer} | {' | '.join(_cells(runs))} |")
    return "\n".join(lines)


def _cells(runs):
    cells = [_cell(goals.values(runs, figure), form, factor) for _, figure, form, factor in COLUMNS]
    wrong = goals.untrue(runs)
    for question in QUESTIONS:
        cells.append("wrong" if question in wrong else _cell(goals.values(runs, question), "{:.1f}", 1))
    return [*cells, f"{len(wrong)} wrong" if wrong else "all equal", str(len(runs))]


def _cell(values, form, factor):
    least, middle, most = (form.format(factor * of(values)) for of in (min, statistics.median, max))
    return middle if least == most else f"{middle} ({least} to {most})"


def _parts(name, of_set):
    """Where processor time went, of peers that are several or say when they acknowledged."""
    lines = []
    for peer, runs in of_set.items():
        for part in runs[0]["parts_cpu_s_per_million"] if runs else []:
            values = [one["parts_cpu_s_per_million"][part] for one in runs]
            lines.append(f"| {peer} | {part} | {_cell(values, '{:.2f}', 1)} |")
    head = [f"| {name} | part | CPU-s a million |", "|---|---|---|"]
    return "\n".join(head + lines) if lines else ""


def _goals(lines):
    text = ["| goal | data | ours | theirs | ratio | must | aim | reached |", "|---|---|---|---|---|---|---|---|"]
    for line in lines:
        figures = " | ".join(_figure(line[figure]) for figure in ("ours", "theirs", "ratio"))
        text.append(f"| {line['what']} | {line['set']} | {figures} | {line['must']} | {line['aim']} | {line['verdict']} |")
    return "\n".join(text)


def _figure(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def machine():
    """Processor, memory and the commit that was built."""
    names = [line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return f"{len(names)} × {names[0] if names else 'unknown'}, {memory:.0f} GiB, commit {commit.stdout.strip() or 'unknown'}"
