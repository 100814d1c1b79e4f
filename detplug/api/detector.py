"""A detector in Python: ``Detector('yolov5n').train('data.yaml', minutes=10)``, then test, predict, export.

Every method does what the command of its name does. Nothing heavy is imported before a method needs it: a bundle
predicts without torch.
"""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

import numpy as np

from detplug.api.errors import one_line_errors
from detplug.api.results import Metrics, PictureResult, Results
from detplug.errors import ImageError, UserError
from detplug.runtime.bundled import bundle_folder, bundled
from detplug.work_folder import default_folder

if TYPE_CHECKING:
    from detplug.recipe.train_options import TrainOptions
    from detplug.runtime.engine import Engine

CONFIG, MANIFEST = 'config.py', 'manifest.json'
CHECKPOINTS = ('best.pth', 'last.pth', 'checkpoint.pth', 'compressed.pth')  # of a folder, the first that is there
Picture = str | Path | np.ndarray


class Detector:
    """A model by name, to be trained; or what was trained or exported.

    Args:
        model: a name that ``detplug train --data D --model NAME`` takes; or a work folder (config.py and best.pth); or
            a checkpoint beside its config.py; or the address of published weights, ``mmdet://NAME``; or the folder of a
            bundle or a name of ``detplug models`` (no torch).
        config: of a checkpoint whose config is elsewhere: a file, or an address such as ``mmdet::FOLDER/NAME.py``.
        device: auto, cpu, cuda, cuda:1, ...

    Attributes:
        name: of the model, None where it was read from files.
        config, checkpoint: files; None before the training, and of a bundle.
        bundle: folder; None of a checkpoint.

    Raises:
        UserError: nothing of this name.
    """

    def __init__(self, model: str | Path, config: str | Path | None = None, device: str = 'auto') -> None:
        self.device = device
        self.name: str | None = None
        self.config: str | None = None
        self.checkpoint: Path | None = None
        self.bundle: Path | None = None
        self._engine: Engine | None = None
        self._results: Path | None = None  # folder of what is written, where that is not beside the checkpoint
        with one_line_errors():
            if '://' in str(model):
                self._download(str(model), config)
            else:
                self._open(bundle_folder(model), config)

    def _download(self, address: str, config: str | Path | None) -> None:
        from detplug.quiet import quiet_imports

        with quiet_imports():
            from detplug.engine.checkpoint import checkpoint_file
        if config is None:
            raise UserError(f'{address}: weights without their config; give config="mmdet::FOLDER/NAME.py"')
        self.checkpoint, self.config = checkpoint_file(address), str(config)
        self._results = Path('work_dirs') / self.checkpoint.stem  # not beside it, in the folder of downloads

    def _open(self, path: Path, config: str | Path | None) -> None:
        if path.is_dir() and (path / MANIFEST).is_file():
            self.bundle = path
        elif path.is_dir():
            self.checkpoint = next((path / name for name in CHECKPOINTS if (path / name).is_file()), None)
            if self.checkpoint is None:
                raise UserError(f'{path}: neither {MANIFEST} of a bundle nor best.pth of a training; check the path')
            self.config = str(config or path / CONFIG)
        elif path.is_file():
            self.checkpoint, self.config = path, str(config or path.parent / CONFIG)
        else:
            from detplug.recipe.models import recipe_models

            if str(path) not in recipe_models():
                names = ', '.join([*recipe_models(), *bundled()])
                raise UserError(f'{path}: neither a file, a folder nor a model; models: {names}')
            self.name = str(path)
        if self.config is not None and '::' not in self.config and not Path(self.config).is_file():
            raise UserError(
                f'{self.config}: not found; give config=, the config that {self.checkpoint} was trained with'
            )

    def train(
        self,
        data: str | Path,
        *,
        epochs: int | None = None,
        steps: int | None = None,
        minutes: float | None = None,
        size: int | None = None,
        batch: int | str = 'auto',
        work_dir: str | Path | None = None,
        **options: 'Unpack[TrainOptions]',
    ) -> Self:
        """Train on ``data`` as ``detplug train --data`` does; returns the detector itself, with its best checkpoint.

        Args:
            data: data.yaml, COCO json, folder of VOC, ...: what ``detplug convert-annotations`` reads.
            epochs, steps, minutes: how long, at most one of them; by default 100 epochs.
            size: px, side of the network's input; by default of the largest picture, at most 640.
            batch: images a step.
            work_dir: folder of everything that is written; by default work_dirs/DATA-MODEL.
            **options: any of :class:`detplug.recipe.train_options.TrainOptions`, such as ``weights='coco'``, and of
                plugins, such as ``compress='4x'``.

        Raises:
            UserError: data, model or options that do not do; the line that the command prints.
        """
        with one_line_errors():
            if self.name is None:
                raise UserError(f'{self}: is trained already; give a name, Detector("yolov5n"), and weights= to go on')
            if 'device' in options:
                raise UserError(f'device: no option of a training; give it before, Detector("{self.name}", device=...)')
            from detplug.cli.train_data import train_data
            from detplug.recipe.settings import RecipeSettings
            from detplug.recipe.train_options import split_options

            table, plugin_options = split_options(options)
            settings = RecipeSettings(
                data=str(data),
                model=self.name,
                work_dir=str(work_dir or default_folder(str(data), self.name)),
                size=size,
                epochs=epochs,
                steps=steps,
                minutes=minutes,
                batch=batch,
                device=self.device,
                options=table,
                plugin_options=plugin_options,
            )
            run = train_data(settings)
        self.config, self.checkpoint, self._engine = str(run.config), run.checkpoint, None
        return self

    def test(self, split: str = 'test') -> Metrics:
        """Evaluate on the ``val`` or ``test`` split of the data that it was trained on.

        Raises:
            UserError: not trained, a bundle, which has no data, or another split.
        """
        with one_line_errors():
            self._needs_checkpoint('test')
            if split not in ('val', 'test'):
                raise UserError(f'split {split}: not known; val or test')
            from detplug.cli import test

            out = (self._results or self.checkpoint.parent) / split / f'metrics_{split}.json'
            words = [self.config, str(self.checkpoint), '--split', split, '--out', str(out)]
            test.main([*words, '--work-dir', str(out.parent), '--device', self.device])
            return Metrics(json.loads(out.read_text()), out.parent / 'report.html')

    def predict(
        self, pictures: Picture | Sequence[Picture], score_thr: float | Mapping[str, float] | None = None
    ) -> Results:
        """The objects of pictures: files, folders with all below, globs, lists, videos; or arrays.

        All pictures stay in memory: for thousands take ``detplug predict``, which writes tables.

        Args:
            pictures: one or several; an array is (H, W, 3) uint8 BGR.
            score_thr: lowest score that is kept, 0 to 1, or class -> its lowest score; by default, and for other
                classes, what a bundle was calibrated to, else 0.25.

        Raises:
            UserError: not trained; no such file, or none that can be read. Of several the others are in ``errors``.
        """
        with one_line_errors():
            from detplug.images.sources import list_items
            from detplug.runtime.bundle import read_image
            from detplug.runtime.thresholds import EVERY, chosen_of, lowest_scores

            several = isinstance(pictures, Sequence) and not isinstance(pictures, str)
            engine, found, errors = self._open_engine(), [], []
            limits = score_thr if isinstance(score_thr, Mapping) else {} if score_thr is None else {EVERY: score_thr}
            lowest = np.array(list(lowest_scores(limits, chosen_of(engine), engine.names, 'score_thr').values()))
            for number, given in enumerate(pictures if several else [pictures]):
                is_array = isinstance(given, np.ndarray)
                for item in [given] if is_array else list_items([str(given)]):
                    name = f'array {number}' if is_array else item.name
                    try:
                        image = read_image(item) if is_array else item.read(engine.window)
                        result = engine([image])[0]
                    except ImageError as error:
                        errors.append(str(error))
                        continue
                    found.append(PictureResult(name, image, result.where(result.scores >= lowest[result.labels])))
            if errors and not found:
                raise ImageError(errors[0])
            return Results(found, errors)

    def export(
        self,
        format: str = 'onnx',
        out: str | Path | None = None,
        img_size: int | None = None,
        dynamic_batch: bool = False,
    ) -> 'Detector':
        """Write a bundle that runs without torch, compared with what torch finds; returns the detector of the bundle.

        Args:
            format: onnx, onnx-int8, or a format of a plugin.
            out: folder; by default FORMAT beside the checkpoint.
            img_size: px, side of a square input; by default as in the test.
            dynamic_batch: any number of images at once.

        Raises:
            UserError: not trained, or a bundle that would not find what torch finds.
        """
        with one_line_errors():
            self._needs_checkpoint('export')
            from detplug.cli import export

            folder = Path(out or (self._results or self.checkpoint.parent) / format)
            words = [self.config, str(self.checkpoint), '--format', format, '--out', str(folder)]
            words += ['--device', self.device, *(['--dynamic-batch'] if dynamic_batch else [])]
            export.main(words + ([] if img_size is None else ['--img-size', str(img_size)]))
            return Detector(folder, device=self.device)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, in label order.

        Raises:
            UserError: not trained.
        """
        with one_line_errors():
            return tuple(self._open_engine().names)

    def _needs_checkpoint(self, what: str) -> None:
        if self.bundle is not None:
            raise UserError(
                f'{self.bundle}: a bundle, which cannot {what}; give the checkpoint that it was exported of'
            )
        if self.checkpoint is None:
            raise UserError(f'{self.name}: not trained yet; call train(data) first, or give a folder or a checkpoint')

    def _open_engine(self) -> 'Engine':
        from detplug.runtime.thresholds import chosen_of, describe

        if self._engine is None:
            if self.bundle is not None:
                from detplug.runtime.onnx_engine import BundleSource

                source = BundleSource(str(self.bundle), self.device)
            else:
                self._needs_checkpoint('predict')
                from detplug.quiet import quiet_imports

                with quiet_imports():
                    from detplug.cli.torch_engine import CheckpointSource
                source = CheckpointSource(self.config, str(self.checkpoint), device=self.device)
            self._engine = source.open()
            if line := describe({}, chosen_of(self._engine), self._engine.names):
                print(line)  # once: they hold wherever no score_thr is given
        return self._engine

    def __repr__(self) -> str:
        what = self.bundle or self.checkpoint
        return f'Detector({str(what or self.name)!r})' if what or self.name else 'Detector'

    def _repr_html_(self) -> str:
        state = 'bundle' if self.bundle else 'not trained' if self.checkpoint is None else f'config {self.config}'
        return f'<b>{html.escape(repr(self))}</b>, {html.escape(state)}'
