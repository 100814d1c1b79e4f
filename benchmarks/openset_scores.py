"""AUROC and FPR95 of every out-of-distribution score on the teachers of benchmarks/openset_modes.py.

Each score is fitted on the labelled boxes of the mode's labelled images and judged on the boxes, known and unknown,
that the teacher finds in a split. The scorer is chosen on val.

python benchmarks/openset_scores.py malaria --mode closed --seeds 0 --split val
python benchmarks/openset_scores.py            (test split of both sets, all seeds that are not done; writes the result)
"""

import argparse
import itertools
import json
import os

import numpy as np
import torch
from finetuning import ROOT, summary
from record import RESULTS, commit, record

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from mmdet.registry import DATASETS
    from mmengine.dataset import pseudo_collate

    import detplug.register  # noqa: F401
    from detplug.cli.config import load_config
    from detplug.cli.detector import build_detector
from detplug.engine.history import read_history
from detplug.evaluation.matching import match_by_score, overlaps
from plugins.openset.calibrate import batches_of, labelled_boxes, merged
from plugins.openset.data import labelled_images
from plugins.openset.figures import IOU, auroc, fpr95
from plugins.openset.ood_model import OODModel
from plugins.openset.probes import make_probe, predict_boxes

NAMES = tuple('MSP MaxLogit Energy ReAct ASHS Mahalanobis RMD KNN ViM VRA VRAPlus VRAPlusPlus'.split())


def batches(dataset, size: int = 8):
    """The images of a data set in order."""
    for start in range(0, len(dataset), size):
        yield pseudo_collate([dataset[i] for i in range(start, min(start + size, len(dataset)))])


@torch.no_grad()
def found_boxes(model, probe, dataset) -> tuple[list, np.ndarray]:
    """(groups of the boxes that find an object, (D,) bool whether it is an unknown one)."""
    parts, unknown, start = [], [], 0
    for batch in batches(dataset):
        batch = model.data_preprocessor.data_preprocessor(batch, False)
        feats, samples = model.teacher.extract_feat(batch['inputs']), batch['data_samples']
        results, kept = predict_boxes(model.teacher, feats, samples, model.teacher_cfg), []
        for result, sample in zip(results, samples, strict=True):
            factor = np.tile(sample.scale_factor, 2)
            truth = [
                np.array([x['bbox'] for x in sample.metainfo[key] if not x['ignore_flag']], float).reshape(-1, 4)
                for key in ('instances', 'unknown_instances')
            ]
            boxes = result.bboxes.numpy() / factor
            match = match_by_score(overlaps(boxes, np.concatenate(truth)), result.scores.numpy(), IOU)
            chosen = np.flatnonzero(match >= 0)
            kept.append(result[torch.from_numpy(chosen)])
            unknown.append(match[chosen] >= len(truth[0]))
        count = sum(map(len, kept))
        if count:
            parts.append([group._replace(index=group.index + start) for group in probe.groups(feats, kept)])
            start += count
    return merged(parts), np.concatenate(unknown)


def judge(name: str, mode: str, seed: int, split: str) -> dict[str, float]:
    """SCORER.auroc, SCORER.fpr95 of scores compared with all labelled boxes; by_class_...: of one look."""
    config = load_config(f'configs/openset/yolov5n_{name}.py', ['model.mode=closed'])
    checkpoint = ROOT / f'work_dirs/benchmarks/openset/{name}/{mode}/seed{seed}/best.pth'
    model = build_detector(config, checkpoint)
    probe = make_probe(model.teacher, model.classes)
    images = batches_of(labelled_images(DATASETS.build(config.train_dataloader.dataset)))
    labelled = labelled_boxes(
        model.teacher, probe, images, model.data_preprocessor.data_preprocessor, model.teacher_cfg
    )
    groups, unknown = found_boxes(model, probe, DATASETS.build(config[f'{split}_dataloader'].dataset))
    figures = {'known_boxes': int((~unknown).sum()), 'unknown_boxes': int(unknown.sum())}
    widths, rows = [x.weight.shape[2] for x in probe.layers], [x.weight.shape[0] for x in probe.layers]
    for scorer, by_class in itertools.product(NAMES, (False, True)):
        ood = OODModel(widths, rows, model.classes, dict(type=scorer), probe.sigmoid, by_class)
        ood.fit(*labelled, probe.layers)
        scores = ood(groups, len(unknown))[0].numpy()
        key = f'{scorer}.by_class_' if by_class else f'{scorer}.'
        figures |= {
            f'{key}auroc': auroc(scores[~unknown], scores[unknown]),
            f'{key}fpr95': fpr95(scores[~unknown], scores[unknown]),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('sets', nargs='*', default=['malaria', 'bccd7'])
    parser.add_argument('--mode', default='closed')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--split', default='test', choices=('val', 'test'))
    args = parser.parse_args()
    os.chdir(ROOT)
    path = RESULTS / 'openset_scores_runs.jsonl'
    for name, seed in itertools.product(args.sets, args.seeds):
        if args.split == 'val':
            for key, value in judge(name, args.mode, seed, 'val').items():
                print(f'{name} {seed} {key:35s} {value:.3f}')
        elif not any(row['set'] == name and row['seed'] == seed for row in read_history(path)):
            row = dict(set=name, seed=seed, commit=commit(), figures=judge(name, args.mode, seed, 'test'))
            with path.open('a') as file:
                file.write(json.dumps(row) + '\n')
    if args.split == 'test':
        rows, figures = read_history(path), {}
        for name in dict.fromkeys(row['set'] for row in rows):
            found = summary([row['figures'] for row in rows if row['set'] == name])
            figures |= {f'{name}.{key}': value for key, value in found.items()}
        record('openset_scores', figures, sorted({row['seed'] for row in rows}))


if __name__ == '__main__':
    main()
