"""Run by torchrun in test_openset_processes.py: trains a little; each process writes FOLDER/rank_N.json."""

import json
import os
import sys
from pathlib import Path

import torch
from tiny_open_set import build


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    runner = build(folder, steps=4, launcher='pytorch')
    runner.train()
    model = runner.model.module
    result = dict(
        student=torch.cat([x.flatten() for x in model.student.parameters()]).tolist(),
        teacher=torch.cat([x.flatten() for x in model.teacher.parameters()]).tolist(),
        thresholds=model.thresholds.values.tolist(),
        fitted=bool(model.ood.fitted.any()),
    )
    (folder / f'rank_{os.environ["RANK"]}.json').write_text(json.dumps(result))


if __name__ == '__main__':
    main(Path(sys.argv[1]))
