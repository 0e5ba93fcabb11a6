"""What must hold before a figure is told: run by `cargo test` and by `python3 -m unittest`."""

import itertools
import unittest
from xml.etree import ElementTree

import chart
import goals
import table
from data import QUESTIONS, difference


def run(cpu=1.0, wrong=(), **figures):
    told = {question: {"wrong": "1 row"} if question in wrong else {"cpu_ms": 10 * cpu} for question in QUESTIONS}
    names = [figure for _, figure, *_ in table.COLUMNS]
    return {**dict.fromkeys(names, cpu), **figures, "questions": told}


def goal(runs, what, name="A"):
    return next(line for line in goals.judged(runs) if line["what"].startswith(what) and line["set"] == name)


class Truth(unittest.TestCase):
    truth = [(1, 2, 3), (1, 3, 5), (2, 2, 8)]

    def test_the_same_rows_in_any_order_are_equal(self):
        for order in itertools.permutations(self.truth):
            self.assertIsNone(difference(self.truth, map(list, order)))

    def test_every_changed_missing_or_doubled_row_is_seen(self):
        for at, row in enumerate(self.truth):
            rest = self.truth[:at] + self.truth[at + 1 :]
            self.assertIsNotNone(difference(self.truth, rest))
            self.assertIsNotNone(difference(self.truth, self.truth + [row]))
            for column in range(3):
                changed = list(row)
                changed[column] += 1
                self.assertIsNotNone(difference(self.truth, rest + [tuple(changed)]))

    def test_a_fraction_is_no_whole_number(self):
        self.assertIsNotNone(difference(self.truth, [(1, 2, 3), (1, 3, 5), (2, 2, 8.5)]))


class Ratios(unittest.TestCase):
    def test_a_ratio_is_that_of_the_medians(self):
        runs = {"A": {goals.OURS: [run(1), run(2), run(9)], goals.CHDB: [run(4), run(4), run(100)]}}
        line = goal(runs, f"{goals.CPU} against {goals.CHDB}")
        self.assertEqual((line["ratio"], line["verdict"]), (0.5, "aim"))

    def test_an_untrue_answer_prints_no_ratio(self):
        for question, ours in itertools.product(QUESTIONS, [True, False]):
            bad, good = [run(), run(wrong=[question])], [run(), run()]
            runs = {"A": {goals.OURS: bad if ours else good, goals.CHDB: good if ours else bad}}
            against = [line for line in goals.judged(runs) if "at most" in line["must"] and line["what"] != "bytes a row"]
            self.assertTrue(against)
            for line in against:
                self.assertEqual((line["ratio"], line["verdict"]), (None, "not judged"), line)

    def test_a_missing_peer_prints_no_ratio(self):
        for runs in ({"A": {goals.OURS: [run()]}}, {"A": {goals.OURS: [run()], goals.CHDB: []}}, {"A": {goals.CHDB: [run()]}}):
            self.assertIsNone(goal(runs, f"{goals.CPU} against {goals.CHDB}")["ratio"])

    def test_must_and_aim_are_told_apart(self):
        for ours, verdict in [(0.5, "aim"), (0.6, "aim"), (0.61, "must"), (1.0, "must"), (1.01, "missed")]:
            runs = {"A": {goals.OURS: [run(ours)], goals.CHDB: [run(1.0)]}}
            self.assertEqual(goal(runs, f"{goals.CPU} against {goals.CHDB}")["verdict"], verdict)
        for ours, verdict in [(30, "aim"), (10, "must"), (9.9, "missed")]:
            runs = {"A": {goals.OURS: [run(ours)], goals.CHAIN: [run(1.0)]}}
            self.assertEqual(goal(runs, "measurements/s")["verdict"], verdict)

    def test_only_sets_that_ran_are_judged(self):
        self.assertEqual({line["set"] for line in goals.judged({"B": {}})}, {"B"})


class Tables(unittest.TestCase):
    def test_an_untrue_answer_is_called_wrong(self):
        cells = table._cells([run(), run(wrong=["daily"])])
        self.assertEqual(cells[len(table.COLUMNS) + list(QUESTIONS).index("daily")], "wrong")
        self.assertEqual(cells[-2:], ["1 wrong", "2"])

    def test_an_untrue_answer_has_no_bar(self):
        told_set = {"homes": 1, "registers": ["r"], "minutes": 1}
        told = {"runs": {"A": {"X": [run(wrong=["daily"])]}}, "sets": {"A": told_set}, "machine": "m", "at": "2026-01-01"}
        drawn = chart.svg(told)
        ElementTree.fromstring(drawn)
        # Its costs say nothing either: it may have left out the work.
        self.assertEqual(drawn.count("not comparable"), 4)
        self.assertEqual(drawn.count('<rect class="bar"'), len(QUESTIONS) - 1)


if __name__ == "__main__":
    unittest.main()
