"""Run by torchrun in test_sabra_processes.py: trains a little, then tests given weights; writes FOLDER/rank_N.json."""

import json
import os
import sys
from pathlib import Path
from unittest import mock

import torch
from sabra_tiny_training import build, predictions_of

from detplug.engine.distributed import leave_group


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    mock.patch('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (f'{text}\n', True)).start()  # seconds a config
    trained = build(folder, launcher='pytorch', work_dir=str(folder / 'two'))
    trained.train()
    weights = torch.cat([x.detach().flatten() for x in trained.model.parameters()])
    tested = build(folder, launcher='pytorch', load_from=str(folder / 'weights.pth'), work_dir=str(folder / 'test'))
    metrics = tested.test()
    result = dict(weights=weights.tolist(), metrics=metrics, predictions=predictions_of(tested))
    (folder / f'rank_{os.environ["RANK"]}.json').write_text(json.dumps(result))


if __name__ == '__main__':
    main(Path(sys.argv[1]))
    leave_group()
