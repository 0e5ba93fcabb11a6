"""A data set as `loadgen peers-data` wrote it, and the truth about it."""

import csv
import json

QUESTIONS = {
    "last_day": "one device's last day",
    "consumption": "consumption per device",
    "daily": "daily totals of all",
    "latest": "latest of all",
    "hourly": "full aggregate by hour",
}


class Data:
    def __init__(self, folder):
        self.folder = folder
        self.told = json.loads((folder / "manifest.json").read_text())
        self.rows = self.told["rows"]
        self.truth = {question: self._truth(question) for question in QUESTIONS}

    def batches(self, form):
        """The files of one format, in the order in which they are sent."""
        return sorted((self.folder / form).iterdir())

    def _truth(self, question):
        with open(self.folder / "truth" / f"{question}.csv") as file:
            lines = csv.reader(file)
            next(lines)
            return sorted(tuple(map(int, line)) for line in lines)


def difference(expected, rows):
    """What is wrong with an answer; None if it is the truth, whatever its order."""
    rows = sorted(tuple(row) for row in rows)
    if rows == expected:
        return None
    if len(rows) != len(expected):
        return f"{len(rows)} rows instead of {len(expected)}"
    wrong = [(right, row) for right, row in zip(expected, rows) if right != row]
    return f"{len(wrong)} of {len(expected)} rows differ, the first is {wrong[0][1]} instead of {wrong[0][0]}"
