"""Seconds to choose ranks: scores once, a new budget from them, and trying ten uniform ratios with evaluation.

The dense YOLOv5n of benchmarks/tt_bccd.py, on BCCD. grid: for each of ten ratios chains are built (activation-aware)
and evaluated on val_clean, which is what a search without scores costs. proxy: what LWIQ's classifier recognises at the
first layer, at the worst and at the best one, and the share of layers whose score is below .05. Moments of the
layers over the images are taken before; every compression needs them, whatever chooses the ranks.

python benchmarks/tt_search.py
"""

import itertools
import os
import statistics
import tempfile
import time
from pathlib import Path

from finetuning import ROOT
from record import record
from tt_bccd import CONFIG, RATIOS, start

from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.cli.test import evaluate
from detplug.engine.checkpoint import save_atomic
from detplug.export.pipeline import input_side
from plugins.tensor_train.calibration import calibration_data
from plugins.tensor_train.compress import Compression
from plugins.tensor_train.ranks.lwiq import Significance
from plugins.tensor_train.ranks_file import write_ranks

GRID = [0.1 * step for step in range(1, 11)]  # share of every full rank
os.environ.setdefault('DETPLUG_DATA', str(ROOT.parent / 'shared' / 'data'))


def seconds(call) -> tuple[float, object]:
    """How long a call takes, and what it gives."""
    began = time.perf_counter()
    found = call()
    return time.perf_counter() - began, found


def evaluate_uniform(work: Compression, share: float, folder: Path) -> None:
    """Build chains with ``share`` of each full rank and evaluate them on val."""
    ranks = {
        name: tuple(max(round(share * full), 1) for full in layer.max_ranks) for name, layer in work.layers.items()
    }
    model = work.build(ranks)
    write_ranks(folder / 'ranks.csv', [dict(layer=name, ranks=' '.join(map(str, own))) for name, own in ranks.items()])
    save_atomic({'state_dict': model.state_dict()}, folder / 'compressed.pth')
    config = load_config(ROOT / CONFIG)
    config.model.update(type='TTCompressed', of=config.model.type, ranks=str(folder / 'ranks.csv'))
    config.work_dir = str(folder)
    config.test_dataloader, config.test_evaluator = config.val_dataloader, config.val_evaluator
    evaluate(config, folder / 'compressed.pth', 'val', folder / 'metrics.json')


def main() -> None:
    checkpoint = start()
    config = load_config(ROOT / CONFIG)
    model = build_detector(config, ROOT / checkpoint)
    data = calibration_data(model, config, input_side(config, None))
    work = Compression(model, data)
    data.moments(model, list(work.layers))
    sensitivity, _ = seconds(lambda: work.scores('sensitivity'))
    lwiq, scores = seconds(lambda: work.scores('lwiq'))
    pairs = itertools.product(('sensitivity', 'lwiq'), RATIOS.values())
    again = [seconds(lambda pair=pair: work.ranks(*pair))[0] for pair in pairs]
    with tempfile.TemporaryDirectory() as folder:
        grid = sum(seconds(lambda share=share: evaluate_uniform(work, share, Path(folder)))[0] for share in GRID)
    figures = dict(
        sensitivity_seconds=sensitivity,
        lwiq_seconds=lwiq,
        reallocate_seconds=max(again),
        grid_seconds=grid,
    )
    figures |= {'crops': len(data.labels), 'images': sum(len(x) for x in data.images)}
    record('tt_search', figures | proxy_figures(scores, next(iter(work.layers))), [])


def proxy_figures(scores: Significance, first: str) -> dict[str, float]:
    """How far LWIQ's proxy tells the layers apart."""
    accuracy = scores.accuracies
    return {
        'proxy.first': accuracy[first],
        'proxy.lowest': min(accuracy.values()),
        'proxy.highest': max(accuracy.values()),
        'proxy.share_below_05': statistics.mean(score < 0.05 for score in scores.values()),
    }


if __name__ == '__main__':
    main()
