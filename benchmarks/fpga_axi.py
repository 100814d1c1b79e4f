"""Random programs on the accelerator behind AXI, under cocotb: stalls, latencies, resets, aborts, faults.

A fifth of the runs each: plain; after a reset at a random moment; after an ABORT; after a failed access of the slave;
after bits that are no instruction. Then the program must give the right values, whatever was under way.

A line of json a run is kept in work_dirs, under the hash of the design and of its simulation, so that the work can be
stopped and resumed. ``mismatches``: values that differ and bytes elsewhere that changed; ``hangs``: programs without an
end; ``misreported``: ends that DONE and ERROR told otherwise. The slave model checks 4 KB and last beats.

python benchmarks/fpga_axi.py [--runs N]
"""

import argparse
import json
import sys
from pathlib import Path

from finetuning import ROOT
from record import record

from plugins.fpga.hardware.sizes import Sizes

sys.path.insert(0, str(ROOT / 'tests/plugins/fpga'))
from fpga_axi_runs import build_axi, run_axi  # noqa: E402

FOLDER = ROOT / 'work_dirs/benchmarks/fpga_axi'
# (N, bytes of a beat): of one word, of four words, of half a word
DESIGNS = ((4, 4), (4, 16), (16, 8))
CHUNK = 50  # runs of one simulator


def sizes_of(n: int) -> Sizes:
    """So small that programs are cut into groups and tiles."""
    return Sizes(n, activations=384, weights=1024, sums=32, biases=16, results=192, residuals=96, poisoned=True)


def rows_of(path: Path) -> list[dict]:
    """The runs that are done; a line that was cut off is none."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def runs_of(n: int, beat: int, count: int) -> list[dict]:
    """``count`` runs of one design, those that are missing made now."""
    sizes, builds = sizes_of(n), ROOT / 'work_dirs/fpga_builds'
    path = FOLDER / f'{build_axi(sizes, beat, builds).parent.name}.jsonl'
    path.parent.mkdir(parents=True, exist_ok=True)
    while missing := sorted(set(range(count)) - {row['seed'] for row in rows_of(path)}):
        run_axi(sizes, beat, missing[:CHUNK], path, builds)
        print(f'N = {n}, {beat} bytes: {len(rows_of(path))} of {count}', flush=True)
    return [row for row in rows_of(path) if row['seed'] < count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--runs', type=int, default=1005, help='of all designs together')
    count = -(-parser.parse_args().runs // len(DESIGNS))
    rows = [row for n, beat in DESIGNS for row in runs_of(n, beat, count)]
    figures = {'runs': len(rows), 'designs': len(DESIGNS)}
    figures |= {name: sum(row[name] for row in rows) for name in ('mismatches', 'hangs', 'misreported')}
    for kind in ('reset', 'abort', 'fault', 'instruction'):
        figures[f'{kind}s'] = sum(row['kind'] == kind for row in rows)
    ratios = sorted(row['cycles'] / row['model'] for row in rows if 'cycles' in row)
    figures |= {'cycles_over_model.least': ratios[0], 'cycles_over_model.median': ratios[len(ratios) // 2]}
    record('fpga_axi', figures, [])


if __name__ == '__main__':
    main()
