"""The config of a quantised detector: the float one's, and a short schedule that trains weights and biases on."""

import shutil
from pathlib import Path

from mmengine.config import Config

from .model import DISTILLABLE, Quantised

HERE = '{{ fileDirname }}'  # mmengine puts the folder of the config file here
STEPS, WARM_UP, INTERVAL = 300, 30, 100
LR_FACTOR = 0.1  # of the float training's


def write_config(cfg: Config, form: str, folder: Path) -> list[str]:
    """config.py in ``folder``, beside compressed.pth: trains quantisation-aware, evaluates and exports.

    Files of the model that lie in the folder of the given config, as ranks.csv, are copied. Returns the parts that a
    distillation of the given config compares and this one does not, because their maps have gains in int8.
    """
    config = Config(cfg.to_dict())
    dense = with_files(cfg.model.to_dict(), Path(cfg.filename).parent, folder)
    config.model = {**dense, 'type': Quantised.__name__, 'base': dense['type'], 'form': form}
    config.load_from = f'{HERE}/compressed.pth'
    imports = config.get('custom_imports') or dict(imports=[], allow_failed_imports=False)
    register = f'{__package__}.register'
    imports['imports'] = [*(name for name in imports['imports'] if name not in (register, __package__)), register]
    config.custom_imports = imports
    if 'optim_wrapper' in config:
        shorten(config)
    left_out = compare_outputs_alone(config)
    (folder / 'config.py').write_text(config.pretty_text)
    return left_out


def compare_outputs_alone(config: Config) -> list[str]:
    """Leave what has another scale in int8 out of distillations, in place; its parts."""
    left_out, kept = [], []
    for hook in config.get('custom_hooks') or []:
        if hook['type'] == 'DistillationHook':
            left_out += [part for part in hook['weights'] if part not in DISTILLABLE]
            hook['weights'] = {part: x for part, x in hook['weights'].items() if part in DISTILLABLE}
            if not hook['weights']:
                continue
        kept.append(hook)
    if left_out:
        config.custom_hooks = kept
    return left_out


def shorten(config: Config) -> None:
    """The schedule: a tenth of the learning rate, warm-up, cosine; the loop, hooks and data stay."""
    lr = config.optim_wrapper.optimizer.lr * LR_FACTOR
    config.optim_wrapper.optimizer.lr = lr
    config.train_cfg = dict(type='ResumableIterLoop', max_iters=STEPS, val_interval=INTERVAL)
    config.max_iters, config.warmup = STEPS, WARM_UP
    rest = dict(begin=WARM_UP, end=STEPS, T_max=STEPS - WARM_UP)
    config.param_scheduler = [
        dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=WARM_UP),
        dict(type='CosineAnnealingLR', eta_min=lr * 0.01, by_epoch=False, **rest),
    ]


def with_files(node, source: Path, folder: Path):
    """``node`` with every text that is a file in ``source`` copied to ``folder`` and named there."""
    if isinstance(node, dict):
        return {key: with_files(value, source, folder) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(with_files(value, source, folder) for value in node)
    if isinstance(node, str) and Path(node).is_file() and Path(node).resolve().parent == source.resolve():
        shutil.copy(node, folder / Path(node).name)
        return f'{HERE}/{Path(node).name}'
    return node
