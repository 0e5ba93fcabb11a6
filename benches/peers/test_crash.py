"""What must be seen when engines are struck: run by `cargo test` and by `python3 -m unittest`."""

import json
import random
import threading
import unittest
from unittest import mock

import toll
from feeding import Feeding, Ledger
from life import Kill, live, sent_again
from numbered import FROM_S, ROWS, Batch, Found, compared, value

SENT = {0, 1, 2, 9}
ACKNOWLEDGED = {0, 1, 9}


def rows(numbers=SENT):
    return [row for number in numbers for row in Batch(number).rows()]


def found(stored):
    return compared(stored, SENT, ACKNOWLEDGED)


class Judged(unittest.TestCase):
    def test_what_was_sent_is_right_in_any_order(self):
        for seed in range(20):
            stored = rows()
            random.Random(seed).shuffle(stored)
            self.assertEqual(found(stored), Found())

    def test_what_was_not_acknowledged_may_be_there_whole_in_part_or_not(self):
        doubt = Batch(2).rows()
        for kept in range(ROWS + 1):
            self.assertEqual(found(rows(ACKNOWLEDGED) + doubt[:kept]), Found())

    def test_every_lost_row_is_seen(self):
        for lost in rows(ACKNOWLEDGED):
            stored = [row for row in rows() if row != lost]
            self.assertEqual(found(stored), Found(lost=1, broken=[lost[2] - FROM_S]))
        self.assertEqual(found([]), Found(lost=3 * ROWS, broken=[0, 1, 9]))

    def test_every_doubled_row_is_seen(self):
        for row in rows():
            self.assertEqual(found(rows() + [row]), Found(doubled=1))
        self.assertEqual(found(rows() * 3), Found(doubled=2 * len(SENT) * ROWS))

    def test_every_wrong_value_is_seen(self):
        for at, (home, register, second, right) in enumerate(rows()):
            for wrong in (right + 1, -right, right + 0.5, None):
                stored = rows()
                stored[at] = (home, register, second, wrong)
                self.assertEqual(found(stored), Found(wrong=1))

    def test_a_row_in_place_of_another_is_seen(self):
        values = {value(number, home, register) for number in range(500) for home, register, *_ in Batch(0).rows()}
        self.assertEqual(len(values), 500 * ROWS)

    def test_a_row_that_nobody_sent_is_seen(self):
        for strange in [Batch(3).rows()[0], (4, 0, FROM_S, 1), (0, 5, FROM_S, 1), (0, None, FROM_S, 1), (0, 0, 0, 1)]:
            self.assertEqual(found(rows() + [strange]), Found(never_sent=1))

    def test_a_wrong_row_is_not_a_lost_one_and_a_double_hides_no_loss(self):
        first, second, *rest = rows()
        self.assertEqual(found([first, first, *rest]), Found(lost=1, doubled=1, broken=[0]))


class Fed(unittest.TestCase):
    """Against an engine that keeps what it is told in memory, and dies after so many batches."""

    senders = 4

    def __init__(self, *words):
        super().__init__(*words)
        self.stored, self.left, self.receipts = [], 50, []
        self.dead = threading.Event()

    def sender(self):
        return threading.Lock()

    def put(self, sender, batch):
        self.left -= 1
        if self.left < 0:
            self.dead.set()
            raise ConnectionError("gone")
        self.stored += batch.rows()
        return batch.number

    def heard(self, receipt):
        self.receipts.append(receipt)

    def test_an_answer_after_the_strike_does_not_count(self):
        ledger = Ledger()
        ledger.next(iter([7]))
        ledger.close()
        ledger.hears(7)
        self.assertEqual((ledger.sent, ledger.acknowledged), ({7}, set()))
        late = Ledger()
        put, self.put = self.put, lambda *words: (late.close(), put(*words))
        Feeding(self, [7], late).join()
        self.assertEqual((late.sent, late.acknowledged, self.receipts), ({7}, set(), []))
        self.assertIsNone(ledger.next(iter([8])))

    def test_an_engine_that_fails_before_it_is_struck_is_told_of(self):
        ledger = Ledger()
        feeding = Feeding(self, range(1_000), ledger)
        self.dead.wait(60)
        self.assertRaises(ConnectionError, feeding.join)

    def test_what_was_acknowledged_is_there_and_sent_once_more_twice(self):
        ledger = Ledger()
        Feeding(self, range(40), ledger).join()
        self.assertEqual(ledger.acknowledged, set(range(40)))
        self.assertEqual(sorted(self.receipts), list(range(40)))
        self.assertEqual(compared(self.stored, ledger.sent, ledger.acknowledged), Found())
        Feeding(self, [3, 4], Ledger()).join()
        self.assertEqual(compared(self.stored, ledger.sent, ledger.acknowledged), Found(doubled=2 * ROWS))

    def test_all_without_an_answer_is_sent_again_and_a_part_of_the_rest(self):
        ledger = Ledger()
        ledger.sent, ledger.acknowledged = set(range(100)), set(range(95))
        again = sent_again(ledger, random.Random(1))
        self.assertLessEqual(set(range(95, 100)), set(again))
        self.assertEqual(len(again), len(set(again)))
        self.assertEqual(len(ledger.acknowledged & set(again)), 10)


class InAFile:
    """Has a batch in a file before it acknowledges it."""

    name, senders = "in a file", 2
    # Whether a row that comes again changes nothing.
    keyed = True
    # Of the batches, one in so many never gets to the file, or gets there twice.
    forgets, repeats = 0, 0

    def __init__(self, folder, data):
        self.file = folder / "rows"

    def start(self):
        self.alive = True
        self.file.touch()

    def sender(self):
        return threading.Lock()

    def put(self, sender, batch):
        if not self.alive:
            raise ConnectionError("gone")
        chance = random.Random(batch.number)
        if batch.number and self.forgets and chance.randrange(self.forgets) == 0:
            return
        twice = batch.number and self.repeats and chance.randrange(self.repeats) == 0
        with open(self.file, "a") as file:
            file.write("".join(json.dumps(row) + "\n" for row in batch.rows()) * (2 if twice else 1))

    def heard(self, receipt):
        """Nothing has to be waited for."""

    def everything(self):
        if not self.alive:
            raise ConnectionError("gone")
        rows = [tuple(json.loads(line)) for line in self.file.read_text().splitlines()]
        return list(dict.fromkeys(rows)) if self.keyed else rows

    def kill(self):
        self.alive = False


@mock.patch("life.LIFE_MIN_S", 0.01)
@mock.patch("life.LIFE_MAX_S", 0.1)
class Lived(unittest.TestCase):
    def lived(self, **flaws):
        return live(type("Flawed", (InAFile,), flaws), Kill, "a seed")

    def test_one_that_keeps_everything_is_spotless(self):
        told = self.lived()
        self.assertGreater(told["batches_acknowledged"], 1)
        self.assertTrue(toll.spotless([told]), told)

    def test_one_that_forgets_is_seen(self):
        self.assertGreater(toll.toll([self.lived(forgets=2)])["lost"], 0)

    def test_one_that_repeats_is_seen(self):
        self.assertGreater(toll.toll([self.lived(repeats=2, keyed=False)])["doubled"], 0)

    def test_one_that_takes_resends_for_news_is_seen(self):
        of_all = toll.toll([self.lived(keyed=False)])
        self.assertEqual(of_all["doubled"], 0)
        self.assertGreater(of_all["doubled_again"], 0)

    def test_one_that_does_not_come_back_is_told_of(self):
        def start(engine):
            if engine.file.exists():
                raise RuntimeError("damaged")
            InAFile.start(engine)

        self.assertEqual(self.lived(start=start)["not_started"], "damaged")

    def test_one_that_cannot_be_read_is_not_tried(self):
        self.assertRaises(RuntimeError, self.lived, everything=lambda engine: [])


def life(first=None, second=None, engine="X", **more):
    looks = {"first": vars(first or Found()), "second": vars(second or Found())}
    return {"engine": engine, "strike": "kill -9", "seed": "1", "batches_acknowledged": 2, **looks, **more}


class Tolls(unittest.TestCase):
    def test_a_loss_before_or_after_the_resend_is_a_loss(self):
        of_all = toll.toll([life(Found(lost=3)), life(None, Found(lost=4)), life()])
        self.assertEqual((of_all["lost"], of_all["rounds_with_loss"], of_all["acknowledged"]), (7, 2, 6 * ROWS))

    def test_a_double_counts_where_it_came_from(self):
        of_all = toll.toll([life(Found(doubled=3), Found(doubled=8))])
        self.assertEqual((of_all["doubled"], of_all["doubled_again"]), (3, 5))

    def test_anything_at_all_is_no_spotless_life(self):
        self.assertTrue(toll.spotless([life()]))
        for what in ("lost", "doubled", "wrong", "never_sent"):
            self.assertFalse(toll.spotless([life(), life(None, Found(**{what: 1}))]), what)
            self.assertFalse(toll.spotless([life(), life(Found(**{what: 1}), Found(**{what: 1}))]), what)
        for what in ("not_started", "not_answered"):
            ended = {"engine": "X", "strike": "kill -9", "seed": "1", "batches_acknowledged": 2, what: "why"}
            self.assertFalse(toll.spotless([life(), ended]), what)
            self.assertEqual(toll.toll([ended])["acknowledged"], 0)

    def test_who_did_not_start_is_named_with_the_reason(self):
        ended = {"engine": "X", "strike": "kill -9", "seed": "5/X", "batches_acknowledged": 2, "not_started": "no\nroom"}
        told = {"machine": "m", "at": "now", "seed": 1, "lives": [life(), ended], "missing": {}, "versions": {"X": "1"}}
        text = toll.markdown({**told, "acknowledged_by": {"X": "word of mouth"}})
        self.assertIn("| X | kill -9 | 2 | 40 | 0 | 0 | 0 | 0 | 0 | 0 | 1 |", text)
        self.assertIn("- X, kill -9, seed 5/X: would not start: no room", text)


if __name__ == "__main__":
    unittest.main()
