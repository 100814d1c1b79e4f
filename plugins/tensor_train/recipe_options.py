"""``detplug train --data ... --compress 4x``: Tensor-Train layers after the training, fine-tuned beside their teacher.

Imports nothing heavy.
"""

import re

from detplug.errors import UserError
from detplug.recipe.options import RecipeOption, TrainedRun
from detplug.recipe.schedule_text import of_length

FOLDER = 'compressed'
SHARE = 4  # fine-tuning takes a quarter of the training's steps
FEWEST = 2  # steps


def read_factor(text: str) -> float:
    """How many times smaller: 4 of ``4x``.

    Raises:
        UserError: no number above 1.
    """
    match = re.fullmatch(r'(\d+(?:\.\d+)?)x?', text.strip())
    if match is None or float(match[1]) <= 1:
        raise UserError(f'--compress {text}: not how many times smaller; give 4x, or another number above 1')
    return float(match[1])


def compress(run: TrainedRun, factor: float) -> TrainedRun:
    """WORK-DIR/compressed: 1 / ``factor`` of the parameters, in best.pth; tuned/ in it is the fine-tuning."""
    from detplug.cli import compress as command
    from detplug.cli import train
    from detplug.cli.config import load_config
    from detplug.engine.atomic_file import link_atomic

    small, steps = run.work_dir / FOLDER, max(run.steps // SHARE, FEWEST)
    print(f'compress: {factor:g}x smaller, then {steps} steps of fine-tuning', flush=True)
    words = [str(run.config), str(run.checkpoint), '--budget', f'{1 / factor:.6g}', '--out', str(small)]
    command.main(words)
    tuned = small / 'tuned'
    options = of_length(steps, load_config(small / 'distill.py'))
    train.main([str(small / 'distill.py'), '--work-dir', str(tuned), '--cfg-options', *options])
    best = tuned / 'best.pth'
    link_atomic(best if best.exists() else tuned / 'last.pth', small / 'best.pth')
    return TrainedRun(small, small / 'config.py', small / 'best.pth', steps)


OPTIONS = {
    'compress': RecipeOption(
        '4x',
        'then a detector so many times smaller by Tensor-Train layers, fine-tuned; in WORK-DIR/compressed',
        read_factor,
        after=compress,
        plain=True,
    )
}
