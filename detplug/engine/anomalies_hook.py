"""The hook that shows what the data sets of a run found odd in their annotations, before any time is spent."""

from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from detplug.data.anomalies import FILE, MOST_UNUSABLE, AnnotationAudit, anomalies_text, audits_of
from detplug.engine.atomic_file import write_atomic
from detplug.errors import UserError


@HOOKS.register_module()
class AnomaliesHook(Hook):
    """Prints a line for each data set with anomalies and lists them in ``work_dir``/anomalies.csv.

    Args:
        accept: train and test although more than 1 % of the boxes of a data set are unusable (``--accept-anomalies``).

    Raises:
        UserError: they are, and ``accept`` is False; or a validation has nothing to be scored by. Every
            process raises it.
    """

    priority = 'VERY_HIGH'

    def __init__(self, accept: bool = False) -> None:
        self.accept = accept

    def before_run(self, runner: Runner) -> None:
        """Both data sets of a training are read by now, no weight is."""
        audits = run_audits(runner)
        path = Path(runner.work_dir) / FILE
        if runner.rank == 0:
            report(audits, path)
        check_targets(runner)
        lost = [audit for audit in audits if audit.too_many_unusable()]
        if lost and not self.accept:
            boxes = '; '.join(
                f'{audit.source}: {audit.unusable} of {audit.boxes} boxes have no area inside their image'
                for audit in lost
            )
            raise UserError(
                f'{boxes}, more than {MOST_UNUSABLE:.0%}; {path} lists them: mend the annotations (is their scale that '
                'of the images?), or give --accept-anomalies to go on without these boxes'
            )


def report(audits: list[AnnotationAudit], path: Path) -> None:
    """Print the summaries and write the file; a file of an earlier run does not stay where there is nothing to list."""
    odd = [audit for audit in audits if audit.anomalies]
    for audit in odd:
        print(f'anomalies: {audit.summary()}', flush=True)
    if odd:
        write_atomic(path, lambda file: file.write(anomalies_text(odd).encode()))
        print(f'anomalies: each in {path}', flush=True)
    else:
        path.unlink(missing_ok=True)


def check_targets(runner: Runner) -> None:
    """Refuse a validation that would have no figure to choose a checkpoint by; say it of a test, which shows pictures.

    Raises:
        UserError: none of the data sets of the validation has anything to be scored by.
    """
    for name in ('_val_loop', '_test_loop'):
        loop = getattr(runner, name)
        audits = list(audits_of(loop.dataloader.dataset)) if isinstance(loop, BaseLoop) else []
        if not audits or any(audit.targets != 0 for audit in audits):
            continue
        line = f'{", ".join(audit.source for audit in audits)}: no {audits[0].target}: nothing can be scored'
        if name == '_val_loop':
            raise UserError(f'{line}; give a val split that has some')
        if runner.rank == 0:
            print(f'{line}, the test will have no figures', flush=True)


def run_audits(runner: Runner) -> list[AnnotationAudit]:
    """Audits of the data sets of the loops that the run has made, each once."""
    loops = (getattr(runner, name) for name in ('_train_loop', '_val_loop', '_test_loop'))
    found = (audit for loop in loops if isinstance(loop, BaseLoop) for audit in audits_of(loop.dataloader.dataset))
    return list({(audit.source, tuple(audit.anomalies)): audit for audit in found}.values())
