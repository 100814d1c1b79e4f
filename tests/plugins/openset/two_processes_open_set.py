"""Run by torchrun in test_openset_processes.py: trains a little; each process writes FOLDER/rank_N.json."""

import json
import os
import sys
from pathlib import Path

import torch
from tiny_open_set import build

from plugins.openset.fusion import TeacherBoxes


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    options = dict(model__imbalance=0.5, model__cce=dict(slots=4), model__burn_in=1)
    runner = build(folder, steps=4, launcher='pytorch', **options)
    label = int(os.environ['RANK'])  # each process has pseudo-labels of another class
    boxes = torch.tensor([[4.0, 4, 24, 24], [30, 30, 50, 50]])
    detections = TeacherBoxes(boxes, *(torch.tensor([x, x]) for x in (0.95, label, 0.1, 1.0)))
    runner.model.module.ask_teacher = lambda feats, samples: [detections] * len(samples)
    seen, count = [], runner.model.module.log.labelled
    runner.model.module.log.labelled = lambda samples: (
        seen.extend(len(x.gt_instances) for x in samples),
        count(samples),
    )
    runner.train()
    model = runner.model.module
    library = model.embedding.library
    result = dict(
        student=torch.cat([x.flatten() for x in model.student.parameters()]).tolist(),
        teacher=torch.cat([x.flatten() for x in model.teacher.parameters()]).tolist(),
        thresholds=model.thresholds.values.tolist(),
        fitted=bool(model.ood.fitted.any()),
        shares=model.marginal.shares.tolist(),
        counts=library.counts.tolist(),
        crops=[[(crop.image_id, crop.source, crop.box.tolist()) for crop in ring] for ring in library.pseudo],
        seen=sum(seen),
        discovery=model.discovery.counts.tolist(),
    )
    (folder / f'rank_{os.environ["RANK"]}.json').write_text(json.dumps(result))


if __name__ == '__main__':
    main(Path(sys.argv[1]))
