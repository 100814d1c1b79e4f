"""The hook that exports at the end of a training: ``default_hooks = dict(export=dict(type='ExportHook', ...))``."""

from collections.abc import Sequence
from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


@HOOKS.register_module()
class ExportHook(Hook):
    """Writes ``work_dir``/export/FORMAT of the best checkpoint (the last where no validation ran), on one process.

    A format that does not exist, and a detector without an ONNX form, stop before the first step. A bundle that does
    not match its torch model is not written: the training ends with the exporter's one line and keeps its checkpoints.

    Args:
        formats: names as in ``tools/export.py --format``.
        img_size: side of a square input, pixels; default: the test pipeline's height and width.
    """

    priority = 'LOWEST'  # after the hooks that write checkpoints and the report

    def __init__(self, formats: Sequence[str], img_size: int | None = None) -> None:
        self.formats = tuple(formats)
        self.img_size = img_size

    def before_train(self, runner: Runner) -> None:
        """Refuse what could not be exported after the training.

        Raises:
            UserError: a format that is not registered, or a detector that a format cannot write.
        """
        from detplug.export.formats import CHECKS, ExportRequest, exporter  # late: only exports need onnxruntime
        from detplug.export.graph import check_exportable
        from detplug.export.pipeline import input_side

        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for name in self.formats:
            if exporter(name).__module__.startswith('detplug.export.'):  # formats of plugins have rules of their own
                check_exportable(model, raw=False)
            elif name in CHECKS:
                CHECKS[name](ExportRequest(model, runner.cfg, input_side(runner.cfg, self.img_size)))

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Export.

        Raises:
            UserError: as the exporter says.
        """
        from detplug.cli.detector import build_detector
        from detplug.export.formats import ExportRequest, export
        from detplug.export.pipeline import input_side

        folder = Path(runner.work_dir)
        best, last = folder / 'best.pth', folder / 'last.pth'
        side = input_side(runner.cfg, self.img_size)
        for name in self.formats:
            model = build_detector(runner.cfg, best if best.exists() else last)
            bundle = export(
                name,
                ExportRequest(model, runner.cfg, side, as_pipeline=self.img_size is None),
                folder / 'export' / name,
            )
            runner.logger.info(f'exported: {bundle.folder}')
