"""Malaria, supervised on all train images: class control and embedding against the same training without, 3 seeds.

Without: the figures of results/yolov5_malaria.json (benchmarks/yolov5_malaria.py), same images, steps and seeds.

python benchmarks/cce_supervised_malaria.py
"""

import json

from finetuning import fine_tune, summary
from record import RESULTS, record

NAMES = {'map': 'known_map', 'map50': 'known_map50'} | {
    f'{key}/{name}': '_'.join([*name.split(), key])
    for name in ('red blood cell', 'ring', 'gametocyte')
    for key in ('ap', 'ap50')
}

if __name__ == '__main__':
    rows, seeds = fine_tune('cce_supervised_malaria', 'configs/openset/yolov5n_malaria_supervised-cce.py', {'test': []})
    plain = json.loads((RESULTS / 'yolov5_malaria.json').read_text())['figures']
    figures = {}
    for kind, found in (('plain', plain), ('cce', summary(rows))):
        for key, name in NAMES.items():
            figures |= {f'{kind}.{name}{end}': found[f'test_{key}{end}'] for end in ('', '_std')}
    record('cce_supervised_malaria', figures, seeds)
