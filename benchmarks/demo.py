"""Minutes of the demo after set-up, by the clock and of the processor, and of each step; mAP50 on the test split of the
sample slides, and that of its 4x smaller detector; eggs of unknown species by the name they get, eggs that are counted;
mAP of the relations of the sample scenes.

python benchmarks/demo.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from record import record

ROOT = Path(__file__).resolve().parents[1]
NAMES = ('unknown_objects', 'unknown_misnamed', 'known_objects')  # of the test split, before add-unknown
AFTER = ('open_unknown_named', 'open_unknown_misnamed', 'open_known_lost')
COUNTED = ('counted_known', 'counted_unknown')
KEYS = ('minutes', 'map50', 'map', 'small_map50', 'relation_map', *NAMES, *AFTER, *COUNTED)

if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run((sys.executable, 'tools/demo.py', '--work-dir', f'{folder}/demo'), check=True, cwd=ROOT)
        figures = json.loads(Path(folder, 'demo', 'demo.json').read_text())
    steps = {f'{name}_{kind}_minutes': x[kind] for name, x in figures['steps'].items() for kind in ('wall', 'cpu')}
    cpu = sum(x['cpu'] for x in figures['steps'].values())
    record('demo', {key: figures[key] for key in KEYS} | {'cpu_minutes': cpu} | steps, [0])
