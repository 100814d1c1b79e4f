"""What the battery does with a case: the project's own commands on the device, and what must have happened."""

import contextlib
import json
import re
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
    from mmengine.config import Config
    from torch import Tensor

    from detplug.cli import compress, export, predict, test, train
    from detplug.cli.config import load_config
    from detplug.engine.checkpoint import load_file
    from detplug.engine.runner import DetplugRunner
    from detplug.engine.train_loop import ResumableIterLoop
    from plugins.openset import hook as openset_hook

STEPS, SAVED, BUDGET = 3, 2, 0.8


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
        config.default_hooks.checkpoint.update(interval=SAVED, seconds=0)
        config.default_hooks.progress = None
        dump(config, self.config)
        with watched() as seen:
            self._train('work')
        self._check_training(seen)
        vary(self.folder / 'work' / 'last.pth', self.checkpoint)
        return seen.facts()

    def resume(self) -> None:
        """From the second step on; the weights after the third are those of the training that went through."""
        self._resume('resumed', self.device)
        went, resumed = (self._weights(name) for name in ('work', 'resumed'))
        wrong = [name for name, value in went.items() if not torch.equal(value, resumed[name])]
        assert not wrong, f'resumed differs from uninterrupted in {wrong[:5]}'

    def resume_on_cpu(self) -> None:
        """The same on the CPU, whose random numbers are others."""
        self._resume('on_cpu', 'cpu')
        went, resumed = (self._weights(name) for name in ('work', 'on_cpu'))
        wrong = [name for name, value in resumed.items() if not value[went[name].isfinite()].isfinite().all()]
        assert not wrong, f'not finite: {wrong[:5]}'

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
        """Pictures and predictions.json on the device and on the CPU; the boxes agree."""
        images = sorted((self.folder / 'set_0' / 'images').iterdir())[:2]
        found = []
        for device in (self.device, 'cpu'):
            out = self.folder / f'predicted_{device.partition(":")[0]}'
            options = ['--out', out, '--score-thr', 0, '--relation-thr', 0, '--device', device]
            call(predict.main, self.config, self.checkpoint, *images, *options)
            found.append(json.loads((out / 'predictions.json').read_text()))
        first, second = found
        assert first and len(first) == len(second), f'{len(first)} boxes on the device, {len(second)} on the CPU'
        far = [(a, b) for a, b in zip(first, second, strict=True) if abs(a['score'] - b['score']) > 1e-3]
        assert not far, f'device and CPU: {far[:3]}'

    def export(self) -> None:
        """ONNX, compared with the model on the device."""
        out = self.folder / 'exported'
        call(export.main, self.config, self.checkpoint, '--out', out, '--device', self.device)
        assert json.loads((out / 'manifest.json').read_text())['errors']['boxes']

    def compress(self) -> dict:
        """Tensor-Train layers, fine-tuned and evaluated."""
        self._compress('compressed', '--ranks', 'energy', '--budget', BUDGET)
        return self._fine_tune(self.folder / 'compressed' / 'config.py')

    def pull(self) -> dict:
        """The layers of ``compress`` fine-tuned beside the dense detector; the dense one pulled to their ranks."""
        folder = self.folder / 'compressed'
        facts = self._fine_tune(folder / 'distill.py')
        hook = dict(type='ADMMHook', ranks=str(folder / 'ranks.csv'), interval=1)
        config = Config.fromfile(self.config)
        config.custom_hooks = [hook]
        config.custom_imports.imports = [*config.custom_imports.imports, 'plugins.tensor_train.register']
        config.load_from = str(self.checkpoint)
        dump(config, self.folder / 'admm.py')
        self._fine_tune(self.folder / 'admm.py')
        return facts

    def compress_by_all(self) -> None:
        """Every rank selector and kind of budget, and a file of ranks."""
        for selector in SELECTORS:
            self._compress(selector, '--ranks', selector, '--budget', BUDGET)
        self._compress('macs', '--ranks', 'energy', '--budget', BUDGET, '--budget-kind', 'macs')
        # of so small layers chains save next to nothing
        self._compress('latency', '--ranks', 'energy', '--budget', 1, '--budget-kind', 'latency')
        self._compress('file', '--ranks', self.folder / SELECTORS[0] / 'ranks.csv', '--init', 'svd')

    def quantise(self) -> dict:
        """Eight-bit layers, fine-tuned and evaluated."""
        self._compress('quantised', '--method', 'fpga')
        return self._fine_tune(self.folder / 'quantised' / 'config.py')

    # -- parts ---------------------------------------------------------------------------------------------------------

    @property
    def checkpoint(self) -> Path:
        """Of ``train``, with what it did not learn in so few steps: scores that differ."""
        return self.folder / 'varied.pth'

    def _train(self, name: str, *more: str, device: str | None = None) -> None:
        call(train.main, self.config, '--work-dir', self.folder / name, '--device', device or self.device, *more)

    def _resume(self, name: str, device: str) -> None:
        (self.folder / name).mkdir()
        shutil.copy(self.folder / 'work' / f'iter_{SAVED}.pth', self.folder / name)
        self._train(name, '--resume', device=device)

    def _compress(self, name: str, *arguments) -> None:
        common = (self.config, self.checkpoint, '--out', self.folder / name, '--images', 8, '--device', self.device)
        call(compress.main, *common, *arguments)

    def _fine_tune(self, config: Path) -> dict:
        """Three steps of a config on the device, and a test; the synchronisations of the last step."""
        work = config.parent / f'work_{config.stem}'
        options = [f'train_cfg.max_iters={STEPS}', f'train_cfg.val_interval={STEPS}']
        arguments = ['--work-dir', work, '--device', self.device, '--cfg-options', *options]
        before = load_file(Config.fromfile(config).load_from)['state_dict']
        with watched() as seen:
            call(train.main, config, *arguments)
        after = load_file(work / 'last.pth')['state_dict']
        assert any(not torch.equal(value, after[name]) for name, value in before.items()), 'nothing was learnt'
        call(test.main, config, work / 'last.pth', '--out', work / 'tested.json', '--device', self.device)
        return seen.facts()

    def _weights(self, name: str) -> dict[str, Tensor]:
        return load_file(self.folder / name / 'last.pth')['state_dict']

    def _check_training(self, seen: 'Seen') -> None:
        assert len(seen.steps) == STEPS
        kind = torch.device(self.device).type
        model = seen.runner.model
        assert {x.device.type for x in (*model.parameters(), *model.buffers())} == {kind}
        places = set()
        torch.load(self.folder / 'work' / 'last.pth', map_location=lambda storage, place: places.add(place) or storage)
        assert places == {'cpu'}, f'a checkpoint with tensors on {places} is not read elsewhere'
        if hasattr(model, 'pseudo_label'):
            check_open_set(model, self.folder / 'work', seen)


class Seen:
    """A training as it was watched: its runner, the synchronisations of each step."""

    def __init__(self):
        self.runner = None
        self.steps: list[Counter] = []
        self.fits = Counter()

    def facts(self) -> dict:
        """For the row of a stage: how often the last step waited, and where any step did."""
        return dict(syncs_per_step=sum(self.steps[-1].values()), kinds=sorted(sum(self.steps, self.fits)))


@contextlib.contextmanager
def watched():
    """Every training within counts its synchronisations, but for those of writing a checkpoint; OOD fits apart."""
    seen = Seen()
    run_iter, save, fit = ResumableIterLoop.run_iter, DetplugRunner.save_checkpoint, openset_hook.fit_ood_model

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

    def apart(*args):
        mode = seen.runner.counting
        before = mode.counts.copy()
        found = fit(*args)
        seen.fits += mode.counts - before
        mode.counts = before
        return found

    with (
        mock.patch.object(openset_hook, 'fit_ood_model', apart),
        mock.patch.object(ResumableIterLoop, 'run_iter', counted),
        mock.patch.object(DetplugRunner, 'save_checkpoint', uncounted),
    ):
        yield seen


def call(main, *arguments) -> None:
    """A command of the project; anything but success is an error."""
    status = main([str(x) for x in arguments])
    assert status == 0, f'exit status {status}'


def dump(config: Config, path: Path) -> None:
    """Write a config as it is; to format it takes seconds."""
    object.__setattr__(config, '_format_python_code', False)
    config.dump(str(path))


def vary(checkpoint: Path, out: Path) -> None:
    """A copy whose last layers are far from their first values, so that no two boxes score the same.

    YOLOv5's boxes are small: clipped to a picture of ``SIDE`` px, many large ones are one and the same.
    """
    saved, generator = load_file(checkpoint), torch.Generator().manual_seed(0)
    for name, value in saved['state_dict'].items():
        level = re.search(r'bbox_head\.convs\.(\d)\.(?:cores\.\d\.)?(bias|weight)', name)
        if level or re.search(r'fc_cls|fc_reg|rpn_cls|rpn_reg', name):
            least = 2.0 if name.endswith('fc_cls.bias') else 0.1
            value += torch.randn(value.shape, generator=generator).to(value) * value.std(correction=0).clamp(min=least)
        if level and level[2] == 'bias':
            value.view(3, -1)[:, 2:4] = -1
            value.view(3, -1)[:, 4] = 0 if level[1] == '0' else -20
    torch.save(saved, out)


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
        library = model.embedding.library
        crops = Counter(crop.source for ring in (*library.labelled, *library.pseudo) for crop in ring)
        wanted = {'gt', 'pseudo'} if model.plan.ood_source else {'gt'}  # else nothing vouches for the teacher's names
        assert wanted == set(crops), f'crops of the library: {crops}'
