"""What the benchmarks of SABRA in `boxes` mode share: the ablation's variants, and a training that is done once."""

import os
from collections.abc import Sequence
from pathlib import Path

from finetuning import ROOT, run_tool

SAMPLER = 'model.head.sampler.type'
VARIANTS = {  # name -> --cfg-options
    'uniform': [f'{SAMPLER}=UniformSampler'],
    'ohem': [f'{SAMPLER}=HardNegativeSampler'],
    'focal': ["model.head.sampler={'_delete_': True, 'type': 'AllPairsSampler'}"],
    'bnps': [],
    'bnps_no_graph': ['model.head.graph.layers=0'],
    'bnps_one_type': ['model.head.graph.one_type=True'],
    'bnps_no_mask': ['model.head.mask_weight=0.0'],
}


def use_prepared_data() -> None:
    """From here on data are what tools/prepare_data.py wrote."""
    os.environ['DETPLUG_DATA'] = 'data'


def train(config: str, folder: Path, seed: int, options: Sequence[str] = ()) -> None:
    """Train in a folder below the root of the repository, unless that is done; ``options`` are --cfg-options."""
    use_prepared_data()
    words = ['--cfg-options', *options] if options else []
    if not (ROOT / folder / 'metrics.json').exists():
        run_tool('train', config, '--work-dir', str(folder), '--seed', str(seed), '--resume', *words)
