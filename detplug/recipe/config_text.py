"""The config of a recipe: sections of readable Python, in which every derived number stands as its arithmetic.

An option such as ``--cfg-options max_iters=300`` therefore changes all that follows from it, as in our own configs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from detplug.recipe.base_text import base_text
from detplug.recipe.model_text import model_text
from detplug.recipe.models import RecipeModel
from detplug.recipe.python_text import python_text
from detplug.recipe.schedule_text import schedule_text
from detplug.recipe.settings import EPOCHS, RecipeSettings, detections_of
from detplug.recipe.splits import RecipeData
from detplug.recipe.weights import start_of

MARK = 'written by `detplug train --data`'  # in the first line
HEAD = """# {model} on {data}: written by `detplug train --data`, for `detplug train|test|predict|export|compress`.
# Names at the top of a section may be changed by --cfg-options NAME=VALUE; what is computed from them follows.
custom_imports = dict(imports={imports}, allow_failed_imports=False)
work_dir = '{{{{ fileDirname }}}}'  # the folder of this file
device = {device}
randomness = dict(seed={seed})
load_from = {weights}
"""
RUNTIME = ('default_scope', 'runner_type', 'env_cfg', 'default_hooks', 'log_level', 'log_processor', 'visualizer',
           'resume', 'val_cfg', 'test_cfg')  # fmt: skip
DATA = """data_root = '{{{{ fileDirname }}}}/data/'  # the annotations, as the data had them when this was written
classes = {classes}
unknown_classes = {unknown}  # not learned, told apart in the evaluation
folders = {folders}  # of the pictures
dataset = dict(
    type='CheckedCocoDataset',
    data_root=data_root,
    metainfo=dict(classes=classes),
    unknown_classes=unknown_classes,
)
train_data = dict(
    **dataset, ann_file='train.json', data_prefix=dict(img=folders['train']), pipeline=source_pipeline
)
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    sampler=dict(type='DrawSampler'),
    dataset=dict(
        type='SeededDataset',
        dataset=dict(type='MixDataset', dataset=train_data, pipeline=mix_pipeline),
    ),
)
evaluation = dict(batch_size=batch_size, num_workers=num_workers, sampler=dict(type='EvaluationSampler'))
evaluated = dict(**dataset, test_mode=True, pipeline=test_pipeline)
val_dataloader = dict(
    **evaluation, dataset=dict(**evaluated, ann_file='val.json', data_prefix=dict(img=folders['val']))
)
test_dataloader = dict(
    **evaluation, dataset=dict(**evaluated, ann_file='test.json', data_prefix=dict(img=folders['test']))
)
detections = {detections}  # an image, at most
val_evaluator = dict(type='BoxAP', max_dets=detections)
test_evaluator = val_evaluator
"""


@dataclass
class RecipeConfig:
    """The config while it is made; a plugin's option may add to it.

    Attributes:
        stock_model: ``model`` of the config that the recipe's model names.
        size: px, side of the network's input. batch: images a step. workers: processes that load images.
        dtype: of mixed precision, or None.
        length: the statement that sets ``max_iters``. validations: during the training, the last one at its end.
        imports: modules that register parts.
        sections: title -> text that follows the schedule; all names above may be used and bound again.
        notes: lines for the screen.
        start: what the training starts from, None for random weights.
        wrapped_by: the option that puts the model into another one, such as a student and its teacher.
    """

    settings: RecipeSettings
    data: RecipeData
    model: RecipeModel
    stock_model: Mapping[str, Any]
    size: int
    batch: int
    workers: int = 0
    dtype: str | None = None
    length: str = ''
    validations: int = 10
    imports: list[str] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    wrapped_by: str | None = None

    def __post_init__(self) -> None:
        self.imports += ('detplug.register', *self.model.imports)
        self.length = self.length or self._length()
        self.start = start_of(self.settings.options['weights'], self.model, self.settings.model)

    def text(self) -> str:
        """The whole file."""
        settings = self.settings
        head = HEAD.format(
            model=settings.model,
            data=python_text(str(self.data.source.name)),
            imports=python_text(list(dict.fromkeys(self.imports))),
            device=python_text(settings.device),
            seed=settings.options['seed'],
            weights=python_text(self.start),
        )
        sections = {
            'runner': base_text('runtime.py', *RUNTIME),
            'network input and augmentation': self._input(),
            'data': self._data(),
            'model': self._model(),
            'schedule': self._schedule(),
        } | self.sections
        return head + ''.join(f'\n# -- {title}\n{text.rstrip()}\n' for title, text in sections.items())

    def _input(self) -> str:
        kind = self.settings.options['augmentation']
        mixed = base_text(f'pipelines/{kind}_640.py', 'source_pipeline', 'mix_pipeline')
        # the padding of microscopy's test pipeline suits every head
        return (f'img_scale = ({self.size}, {self.size})  # width, height of the network input in px\n'
                f'{mixed}\n{base_text("pipelines/microscopy_640.py", "test_pipeline")}')  # fmt: skip

    def _data(self) -> str:
        folders = {name: str(split.folder.resolve()) for name, split in self.data.splits.items()}
        loading = f'batch_size = {self.batch}\nnum_workers = {self.workers}  # processes that load images\n'
        return loading + DATA.format(
            classes=python_text(self.data.classes),
            unknown=python_text(self.data.unknown),
            folders=python_text(folders),
            detections=detections_of(self.data),
        )

    def _model(self) -> str:
        from_weights = self.settings.options['weights'] is not None
        return '\n'.join([model_text(self.stock_model, from_weights), *self.model.lines])

    def _length(self) -> str:
        if self.settings.steps is not None:
            return f'max_iters = {self.settings.steps}  # steps'
        images, epochs = len(self.data.splits['train'].records), self.settings.epochs or EPOCHS
        return (f'images, epochs = {images}, {epochs}  # of the training split\n'
                'max_iters = max(epochs * images // batch_size, 2)  # steps')  # fmt: skip

    def _schedule(self) -> str:
        optimizer = self.model.finetune if self.settings.options['weights'] is not None else self.model.scratch
        return schedule_text(self.length, self.validations, optimizer, self.model.clip, self.dtype)
