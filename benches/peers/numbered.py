"""Small numbered batches, and what became of them.

Every row of a batch is known from its number alone, so that whatever an engine says it
has can be judged: sent or not, once or twice, right or wrong.
"""

import dataclasses
import json
import zlib

HOMES, REGISTERS = 4, 5
ROWS = HOMES * REGISTERS
# Of the batch with number 0, a second later for each that follows; long past for all engines.
FROM_S = 1_750_000_000
# More than a sender comes to in one life.
BATCHES_MAX = 1_000_000


@dataclasses.dataclass(frozen=True)
class Batch:
    number: int

    def homes(self):
        return range(HOMES)

    def name(self, register):
        return f"r{register:02}"

    def rows(self):
        """Home, register, second and value."""
        at = FROM_S + self.number
        return [(home, register, at, value(self.number, home, register)) for home in range(HOMES) for register in range(REGISTERS)]

    def lines(self):
        """Wide lines of InfluxDB's protocol."""
        return "".join(self._line(home) for home in range(HOMES)).encode()

    def values(self):
        """The rows of an INSERT."""
        return ", ".join(str(row) for row in self.rows())

    def _line(self, home):
        fields = ",".join(f"{self.name(register)}={value(self.number, home, register)}i" for register in range(REGISTERS))
        return f"m,home={home} {fields} {FROM_S + self.number}000000000\n"


class Numbered:
    """What an engine is told of the data before it is started."""

    def __init__(self, folder):
        self.folder = folder
        registers = [Batch(0).name(register) for register in range(REGISTERS)]
        self.told = {"small": True, "registers": registers, "from_s": FROM_S, "to_s": FROM_S + BATCHES_MAX}
        (folder / "manifest.json").write_text(json.dumps(self.told))


@dataclasses.dataclass
class Found:
    """Rows, in one look at all that an engine has."""

    # Acknowledged, and not there.
    lost: int = 0
    # There once more than once.
    doubled: int = 0
    # There with another value than was sent.
    wrong: int = 0
    # There, and of no batch that was sent.
    never_sent: int = 0
    # Numbers of the batches that were acknowledged and are there in part or not at all.
    broken: list = dataclasses.field(default_factory=list)


def value(number, home, register):
    """Any two rows differ, as good as always; a float holds it exactly."""
    return zlib.crc32(b"%d %d %d" % (number, home, register))


def compared(rows, sent, acknowledged):
    """Judges rows of home, register, second and value; `acknowledged` is a part of `sent`."""
    found, seen = Found(), set()
    for home, register, at, stored in rows:
        number = at - FROM_S
        if number not in sent or home not in range(HOMES) or register not in range(REGISTERS):
            found.never_sent += 1
            continue
        place = (number, home, register)
        found.wrong += stored != value(*place)
        found.doubled += place in seen
        seen.add(place)
    whole = {}
    for number, _, _ in seen:
        whole[number] = whole.get(number, 0) + 1
    found.broken = sorted(number for number in acknowledged if whole.get(number, 0) < ROWS)
    found.lost = sum(ROWS - whole.get(number, 0) for number in found.broken)
    return found
