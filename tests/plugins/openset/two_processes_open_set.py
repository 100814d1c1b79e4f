"""Run by torchrun in test_openset_processes.py: trains a little; each process writes FOLDER/rank_N.json."""

import json
import os
import sys
from pathlib import Path

import torch
from tiny_open_set import build


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    cce = dict(slots=4, sure=0.0, ordinary=1.0)
    options = dict(model__imbalance=0.5, model__cce=cce, model__thresholds=dict(fixed=0.0005))
    runner = build(folder, steps=4, launcher='pytorch', **options)
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
