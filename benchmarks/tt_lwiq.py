"""Does a score of layers order them as the mAP does that is lost when one layer alone is cut?

BCCD (the dense YOLOv5n of benchmarks/yolov5_bccd.py, seed 0) and coco_tiny (the official YOLOv5n). Each layer alone
is cut to SHARE of its full ranks (activation-aware) and the detector evaluated on val, which no score has seen: scores
look at images of train. ``DATA.NAME``: Spearman's rank correlation of the lost mAP with what each score says of that
cut: ``lwiq`` our reconstruction from the abstract, ``lwiq_first`` its first form (accuracy, the stem's whole as gain),
``imprinted_sensitivity`` and ``sensitivity`` their loss at these ranks; ``spearman_DATA`` is that of
imprinted_sensitivity, LWIQ repaired. ``DATA.NAME_seconds``: cost of the scores of all layers.

Resumable: a layer that has its row in results/tt_lwiq_runs.jsonl is not evaluated again.

python benchmarks/tt_lwiq.py
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from finetuning import ROOT, WEIGHTS, convert_weights
from record import RESULTS, commit, record
from scipy.stats import spearmanr
from tt_bccd import CONFIG, start

from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.cli.test import evaluate
from detplug.engine.checkpoint import save_atomic
from detplug.engine.history import read_history
from detplug.export.pipeline import input_side
from plugins.tensor_train.calibration import calibration_data
from plugins.tensor_train.compress import Compression
from plugins.tensor_train.ranks import LWIQ, ImprintedSensitivityRanks, SensitivityRanks
from plugins.tensor_train.ranks.selector import ranks_of_shares
from plugins.tensor_train.ranks_file import write_ranks

SHARE = 0.25
SIDE = 320  # px at which COCO's images are evaluated: 57 evaluations of 80 images
ROWS = RESULTS / 'tt_lwiq_runs.jsonl'
SCORES = {
    'lwiq': LWIQ(),
    'lwiq_first': LWIQ(floor=0.3, soft=False, input_baseline=False, quantile=1.0),
    'imprinted_sensitivity': ImprintedSensitivityRanks(),
    'sensitivity': SensitivityRanks(),
}
os.environ.setdefault('DETPLUG_DATA', str(ROOT.parent / 'shared' / 'data'))


def setting(data: str) -> tuple[str, Path]:
    """Config and checkpoint of the dense detector."""
    if data == 'bccd':
        return CONFIG, ROOT / start()
    convert_weights('../shared/weights/yolov5n.pt')
    return 'configs/yolov5/yolov5n_coco-tiny.py', WEIGHTS


def loaded(config_file: str):
    """The config, its test images square where they are COCO's."""
    config = load_config(ROOT / config_file)
    config.val_dataloader.update(num_workers=0, persistent_workers=False)
    if 'coco' in config_file:
        for step in config.val_dataloader.dataset.pipeline:
            if 'scale' in step:
                step.scale = (SIDE, SIDE)
    return config


def val_map(config_file: str, work: Compression, ranks: dict) -> float:
    """mAP on val with these chains and no training; dense without any."""
    config = loaded(config_file)
    with tempfile.TemporaryDirectory() as folder:
        table, checkpoint = Path(folder) / 'ranks.csv', Path(folder) / 'cut.pth'
        write_ranks(table, [dict(layer=name, ranks=' '.join(map(str, own))) for name, own in ranks.items()])
        save_atomic({'state_dict': work.build(ranks).state_dict()}, checkpoint)
        config.model.update(type='TTCompressed', of=config.model.type, ranks=str(table))
        config.test_dataloader, config.test_evaluator = config.val_dataloader, config.val_evaluator
        config.work_dir = folder
        return evaluate(config, checkpoint, 'val', Path(folder) / 'metrics.json')['map']


def measure(data: str, work: Compression, config_file: str) -> dict[str, float]:
    """mAP of the dense detector, name '', and of each layer alone cut; rows that are there are not repeated."""
    known = {row['layer']: row['map'] for row in read_history(ROWS) if row['data'] == data}
    for name in ('', *work.layers):
        if name not in known:
            ranks = ranks_of_shares(work.layers, dict.fromkeys(work.layers, SHARE))
            known[name] = val_map(config_file, work, {name: ranks[name]} if name else {})
            with ROWS.open('a') as file:
                file.write(json.dumps(dict(data=data, layer=name, map=known[name], commit=commit())) + '\n')
    return known


def predictions(score: str, work: Compression) -> tuple[dict[str, float], float]:
    """What a score says of each layer's cut, more is worse, and the seconds that it took."""
    began = time.perf_counter()
    scores = SCORES[score].scores(work.model, work.layers, work.data)
    seconds = time.perf_counter() - began
    if score.startswith('lwiq'):
        return dict(scores), seconds
    ranks = ranks_of_shares(work.layers, dict.fromkeys(work.layers, SHARE))
    return {name: SCORES[score].loss(scores, work.layers, {name: own}) for name, own in ranks.items()}, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', nargs='+', choices=('bccd', 'coco'), default=('bccd', 'coco'))
    args = parser.parse_args()
    figures = {}
    for data in args.data:
        config_file, checkpoint = setting(data)
        config = loaded(config_file)
        model = build_detector(config, checkpoint)
        calibration = calibration_data(model, config, SIDE if data == 'coco' else input_side(config, None))
        work = Compression(model, calibration, cfg=config)
        calibration.moments(model, list(work.layers))
        predicted = {}
        for score in SCORES:
            predicted[score], figures[f'{data}.{score}_seconds'] = predictions(score, work)
        maps = measure(data, work, config_file)
        lost = [maps[''] - maps[name] for name in work.layers]
        figures |= {f'{data}.layers': len(lost), f'{data}.dense_map': maps[''], f'{data}.largest_loss': max(lost)}
        for score, own in predicted.items():
            figures[f'{data}.{score}'] = float(spearmanr(lost, [own[name] for name in work.layers]).statistic)
        figures[f'spearman_{data}'] = figures[f'{data}.imprinted_sensitivity']
    record('tt_lwiq', figures, [0])


if __name__ == '__main__':
    main()
