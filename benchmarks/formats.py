"""Random data sets through each pair of annotation formats and back.

sets: 200; pairs: ordered pairs of formats; round_trips: sets x pairs. largest_px: largest change of a coordinate;
changed: round trips after which names, splits, files, sizes, classes of boxes or a box (> .01 px) differ;
undocumented_errors: those that ended with another exception than the one error.

python benchmarks/formats.py [SETS]
"""

import sys
import tempfile
from itertools import permutations
from pathlib import Path

from record import record

from detplug.data.formats.convert import convert
from detplug.data.formats.formats import FORMATS, read_set
from detplug.data.prepare import Prepared, prepare
from detplug.errors import UserError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'tests' / 'data' / 'formats'))
from random_sets import difference, random_set  # noqa: E402

PX = 0.01


def main(sets: int) -> None:
    names = [name for name, form in FORMATS.items() if form.write is not None]
    pairs = list(permutations(names, 2))
    changed = errors = 0
    largest = 0.0
    for seed in range(sets):
        for first, second in pairs:
            try:
                with tempfile.TemporaryDirectory() as folder:
                    largest = max(largest, round_trip(Path(folder), seed, first, second))
            except (AssertionError, UserError) as error:
                print(f'set {seed}, {first}, {second}: {type(error).__name__}: {error}', file=sys.stderr)
                changed += 1
            except Exception as error:
                print(f'set {seed}, {first}, {second}: {type(error).__name__}: {error}', file=sys.stderr)
                errors += 1
    figures = dict(sets=sets, formats=len(names), pairs=len(pairs), round_trips=sets * len(pairs), largest_px=largest,
                   changed=changed, undocumented_errors=errors)  # fmt: skip
    record('formats', figures, list(range(sets)))


def round_trip(folder: Path, seed: int, first: str, second: str) -> float:
    """Largest change of a coordinate, px."""
    annotations = random_set(folder / 'images', seed)
    out = FORMATS[first].write(annotations)
    prepare(lambda _: Prepared(out.texts, out.links), folder, folder / 'a')
    convert(folder / 'a', folder / 'b', second)
    convert(folder / 'b', folder / 'c', first)
    form, back = read_set(folder / 'c')
    assert form == first
    worst = difference(annotations, back)
    assert worst <= PX, worst
    return worst


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
