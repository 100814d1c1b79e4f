"""What the battery does with a case: the project's own commands on the device, and what must have happened."""

import contextlib
import json
import shutil
from collections import Counter
from pathlib import Path
from unittest import mock

from device_cases import ROOT, SELECTORS, Case
from device_sets import on_tiny_set
from synchronisations import Synchronisations

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import torch
    from torch import Tensor

    from detplug.cli import compress, export, predict, test, train
    from detplug.cli.config import load_config
    from detplug.engine.checkpoint import load_file
    from detplug.engine.runner import DetplugRunner
    from detplug.engine.train_loop import ResumableIterLoop

STEPS, SAVED = 3, 2


class Run:
    """The stages of one case; later ones take the files of ``train``."""

    def __init__(self, case: Case, device: str, folder: Path):
        self.case, self.device, self.folder = case, device, folder
        folder.mkdir(parents=True)
        self.config = folder / 'config.py'

    # -- stages --------------------------------------------------------------------------------------------------------

    def train(self) -> dict:
        """Three steps, a validation and checkpoints; counts the synchronisations of the last step."""
        config = on_tiny_set(load_config(ROOT / self.case.config), self.folder)
        config.merge_from_dict(self.case.changes)
        config.train_cfg.update(max_iters=STEPS, val_interval=STEPS)
        config.default_hooks.checkpoint.interval = SAVED
        config.default_hooks.progress = None
        object.__setattr__(config, '_format_python_code', False)
        config.dump(str(self.config))
        with watched() as seen:
            self._train('work')
        self._check_training(seen)
        return dict(syncs_per_step=sum(seen.steps[-1].values()), kinds=sorted(sum(seen.steps, Counter())))

    def resume(self) -> None:
        """From the second step on; the weights after the third are those of the training that went through."""
        self._resume('resumed', self.device)
        went, resumed = (self._weights(name) for name in ('work', 'resumed'))
        wrong = [name for name, value in went.items() if not torch.equal(value, resumed[name])]
        assert not wrong, f'resumed differs from uninterrupted in {wrong[:5]}'

    def resume_on_cpu(self) -> None:
        """The same on the CPU, whose random numbers are others."""
        self._resume('on_cpu', 'cpu')
        assert all(x.isfinite().all() for x in self._weights('on_cpu').values() if x.is_floating_point())

    def test(self) -> None:
        """Evaluate on the device and on the CPU; the figures agree."""
        figures = []
        for device in (self.device, 'cpu'):
            out = self.folder / f'metrics_{device.partition(":")[0]}.json'
            arguments = [self.config, self.checkpoint, '--out', out, '--work-dir', self.folder / f'test_{device}']
            call(test.main, *arguments, '--device', device)
            figures.append(json.loads(out.read_text()))
        first, second = figures
        assert first and first.keys() == second.keys()
        wrong = {k: (v, second[k]) for k, v in first.items() if k != 'time' and abs(v - second[k]) > 1e-3}
        assert not wrong, f'device and CPU: {wrong}'

    def predict(self) -> None:
        """Pictures and predictions.json."""
        out = self.folder / 'predicted'
        images = sorted((self.folder / 'set_0' / 'images').iterdir())[:2]
        call(predict.main, self.config, self.checkpoint, *images, '--out', out, '--score-thr', 0, '--device', self.device)
        assert json.loads((out / 'predictions.json').read_text())

    def export(self) -> None:
        """ONNX, compared with the model on the device."""
        out = self.folder / 'exported'
        call(export.main, self.config, self.checkpoint, '--out', out, '--device', self.device)
        assert json.loads((out / 'manifest.json').read_text())['errors']['boxes']

    def compress(self) -> None:
        """Tensor-Train layers by every rank selector; the compressed detector trains and is evaluated."""
        for selector in SELECTORS:
            self._compress(selector, '--ranks', selector, '--budget', 0.5)
        self._compress('file', '--ranks', self.folder / SELECTORS[0] / 'ranks.csv', '--init', 'svd')
        for kind in ('macs', 'latency', 'cycles'):
            self._compress(kind, '--ranks', 'energy', '--budget', 0.6, '--budget-kind', kind)
        self._fine_tune(self.folder / SELECTORS[0])

    def quantise(self) -> None:
        """Eight-bit layers, fine-tuned and evaluated."""
        self._compress('quantised', '--method', 'fpga')
        self._fine_tune(self.folder / 'quantised')

    # -- parts ---------------------------------------------------------------------------------------------------------

    @property
    def checkpoint(self) -> Path:
        return self.folder / 'work' / 'last.pth'

    def _train(self, name: str, *more: str, device: str | None = None) -> None:
        with mock.patch('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True)):  # seconds a config
            call(train.main, self.config, '--work-dir', self.folder / name, '--device', device or self.device, *more)

    def _resume(self, name: str, device: str) -> None:
        (self.folder / name).mkdir()
        shutil.copy(self.folder / 'work' / f'iter_{SAVED}.pth', self.folder / name)
        self._train(name, '--resume', device=device)

    def _compress(self, name: str, *arguments) -> None:
        common = (self.config, self.checkpoint, '--out', self.folder / name, '--images', 8, '--device', self.device)
        call(compress.main, *common, *arguments)

    def _fine_tune(self, folder: Path) -> None:
        """Three steps of the config that a compression has written, and a test."""
        options = [f'train_cfg.max_iters={STEPS}', f'train_cfg.val_interval={STEPS}']
        arguments = ['--work-dir', folder / 'work', '--device', self.device, '--cfg-options', *options]
        before = load_file(folder / 'compressed.pth')['state_dict']
        call(train.main, folder / 'config.py', *arguments)
        after = load_file(folder / 'work' / 'last.pth')['state_dict']
        assert any(not torch.equal(value, after[name]) for name, value in before.items()), 'nothing was learnt'
        out = folder / 'metrics.json'
        call(test.main, folder / 'config.py', folder / 'work' / 'last.pth', '--out', out, '--device', self.device)

    def _weights(self, name: str) -> dict[str, Tensor]:
        return load_file(self.folder / name / 'last.pth')['state_dict']

    def _check_training(self, seen: 'Seen') -> None:
        assert len(seen.steps) == STEPS
        kind = torch.device(self.device).type
        model = seen.runner.model
        assert {x.device.type for x in (*model.parameters(), *model.buffers())} == {kind}
        places = set()
        torch.load(self.checkpoint, map_location=lambda storage, place: places.add(place) or storage)
        assert places == {'cpu'}, f'a checkpoint with tensors on {places} is not read elsewhere'
        if hasattr(model, 'pseudo_label'):
            check_open_set(model, self.folder / 'work', seen)


class Seen:
    """A training as it was watched: its runner, the synchronisations of each step, crops that were embedded."""

    def __init__(self):
        self.runner = None
        self.steps: list[Counter] = []
        self.embedded = 0


@contextlib.contextmanager
def watched():
    """Every training within counts its synchronisations, but for those of writing a checkpoint."""
    seen = Seen()
    run_iter, save = ResumableIterLoop.run_iter, DetplugRunner.save_checkpoint

    def counted(loop, batch):
        seen.runner = loop.runner
        with Synchronisations() as mode:
            loop.runner.counting = mode
            run_iter(loop, batch)
        seen.steps.append(mode.counts)

    def uncounted(runner, *args, **kwargs):
        mode = getattr(runner, 'counting', None)
        before = None if mode is None else mode.counts.copy()
        save(runner, *args, **kwargs)
        if mode is not None:
            mode.counts = before

    with (
        mock.patch.object(ResumableIterLoop, 'run_iter', counted),
        mock.patch.object(DetplugRunner, 'save_checkpoint', uncounted),
    ):
        yield seen


def call(main, *arguments) -> None:
    """A command of the project; anything but success is an error."""
    status = main([str(x) for x in arguments])
    assert status == 0, f'exit status {status}'


def check_open_set(model, folder: Path, seen: Seen) -> None:
    """What the mode is made of has really happened."""
    rows = [json.loads(line) for line in (folder / 'openset.jsonl').read_text().splitlines()]
    pseudo = sum(value for row in rows for key, value in row.items() if key.startswith('pseudo/'))
    unknown = sum(row.get('share/unknown', 0) for row in rows)
    if model.mode == 'supervised':
        assert pseudo == 0
        return
    assert pseudo > 0, f'no pseudo-label: {rows}'
    student, teacher = (list(x.parameters()) for x in (model.student, model.teacher))
    assert not all(torch.equal(a, b) for a, b in zip(student, teacher, strict=True)), 'the teacher is the student'
    if model.ood is not None:
        assert model.ood.fitted.any(), 'no OOD model was fitted'
    if model.mode in ('oodfc', 'oodfc_cce'):
        assert unknown > 0, f'no unknown pseudo-label: {rows}'
    if model.embedding is not None:
        crops = [crop.source for ring in model.embedding.library.crops for crop in ring]
        assert {'gt', 'pseudo'} <= set(crops), f'crops of the library: {Counter(crops)}'
