"""The hook that writes report.html after a training and after a test."""

from collections.abc import Mapping
from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from detplug.evaluation.box_ap import BoxAP
from detplug.evaluation.image_result import ImageResult


@HOOKS.register_module()
class ReportHook(Hook):
    """Writes ``work_dir``/report.html and its pictures, on the main process only.

    After training the report shows the evaluation with the highest ``key`` of this process; a training that was
    resumed has its earlier curves from history.jsonl, but pictures only since then. Where no metric is about boxes
    (BoxAP), it shows the figures, and the pictures of a metric that has ``report_pictures(images)``.

    Args:
        key: figure by which the best validation is chosen, without ``val/``; higher is better.
        val_split: name of the split that the validations use, for the report.
        test_split: name of the split that the test uses, for the report.
        facts: more rows for the run information, such as the checkpoint of a test.
    """

    priority = 'VERY_LOW'  # after the hooks that write history and checkpoints

    def __init__(
        self, key: str = 'map', val_split: str = 'val', test_split: str = 'test', facts: Mapping[str, str] | None = None
    ) -> None:
        self.key = key
        self.val_split = val_split
        self.test_split = test_split
        self.facts = dict(facts or {})
        self.best: tuple[int, Mapping[str, float], list[ImageResult]] | None = None

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Remember the images of the best validation."""
        metric = find_metric(runner.val_loop)
        if metric is None or not metrics or self.key not in metrics:
            return
        if self.best is None or metrics[self.key] > self.best[1][self.key]:
            self.best = runner.iter, dict(metrics), metric.images

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Write the report of the training."""
        from detplug.engine.history import FILE, read_thinned  # loaded late: the engine may import evaluation

        step, metrics, images = self.best or (runner.iter, {}, [])
        facts = {'figures and pictures of step': str(step) if self.best else None}
        self._write(
            runner,
            runner.val_loop,
            self.val_split,
            images,
            metrics,
            facts=facts,
            train=runner.train_dataloader,
            history=read_thinned(Path(runner.work_dir) / FILE),
            pictures=pictures_of(runner),
        )

    @master_only
    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the report of the test."""
        metric = find_metric(runner.test_loop)
        if metric is not None:
            self._write(runner, runner.test_loop, self.test_split, metric.images, metrics or {})

    def _write(self, runner: Runner, loop, split: str, images, metrics, *, facts=None, train=None, **more) -> None:
        # Drawing libraries take a second to load; commands that write no report do without.
        from detplug.engine.anomalies_hook import run_audits
        from detplug.engine.fit_hook import fit_rows
        from detplug.report.facts import run_facts
        from detplug.report.sections import anomaly_sections, fit_sections
        from detplug.report.write import Evaluation, count_objects, write_report
        from detplug.report.write_figures import write_figures_report

        if loop is None:
            return
        name = runner.cfg.filename or runner.experiment_name
        title = f'{name_of(Path(name))}: report of the {split} split'
        facts = run_facts(config=name, work_dir=runner.work_dir, seed=str(runner.seed), **(facts or {}), **self.facts)
        more['sections'] = [*anomaly_sections(run_audits(runner)), *fit_sections(fit_rows(runner))]
        metric = find_metric(loop)
        if not isinstance(metric, BoxAP):
            more['pictures'] = more.get('pictures', {}) | (metric.report_pictures(images) if metric else {})
            path = write_figures_report(runner.work_dir, split, metrics, title=title, key=self.key, facts=facts, **more)
            runner.logger.info(f'report: {path}')
            return
        classes = tuple(loop.dataloader.dataset.metainfo['classes'])
        counts = {} if train is None else {'train': count_labels(train.dataset, classes)}
        counts[split] = count_objects(images, classes)
        path = write_report(
            runner.work_dir,
            Evaluation(split, classes, images, metrics, metric.max_dets),
            title=title,
            label_counts=counts,
            facts=facts,
            **more,
        )
        runner.logger.info(f'report: {path}')


def pictures_of(runner: Runner) -> dict:
    """Heading -> (explanation, picture): of a model that has ``report_pictures(class names)``, and of hooks that have
    ``report_pictures(runner)``."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    names = tuple(runner.train_dataloader.dataset.metainfo['classes'])
    pictures = model.report_pictures(names) if hasattr(model, 'report_pictures') else {}
    for hook in runner.hooks:
        pictures |= hook.report_pictures(runner) if hasattr(hook, 'report_pictures') else {}
    return pictures


def find_metric(loop):
    """The metric that a report is about: the first BoxAP, else the first with pictures of its own, else None."""
    metrics = loop.evaluator.metrics if loop is not None else ()
    return find_box_ap(loop) or next((x for x in metrics if hasattr(x, 'report_pictures')), None)


def find_box_ap(loop) -> BoxAP | None:
    """The first BoxAP of the evaluator of a validation or test loop, None where there is none."""
    metrics = loop.evaluator.metrics if loop is not None else ()
    return next((metric for metric in metrics if isinstance(metric, BoxAP)), None)


def name_of(config: Path) -> str:
    """What a report calls the training: the file name of its config, or its folder where that says nothing."""
    return config.stem if config.stem != 'config' else config.absolute().parent.name


def count_labels(dataset, classes: tuple[str, ...]) -> dict[str, int]:
    """Class name -> number of objects that are not ignored, in a data set that may be wrapped or concatenated."""
    if hasattr(dataset, 'datasets'):
        parts = [count_labels(part, classes) for part in dataset.datasets]
        return {name: sum(part[name] for part in parts) for name in classes}
    if hasattr(dataset, 'dataset'):
        return count_labels(dataset.dataset, classes)
    counts = dict.fromkeys(classes, 0)
    for index in range(len(dataset)):
        for instance in dataset.get_data_info(index).get('instances', ()):  # unlabelled images have none
            if not instance.get('ignore_flag', 0) and 0 <= instance['bbox_label'] < len(classes):
                counts[classes[instance['bbox_label']]] += 1
    return counts
