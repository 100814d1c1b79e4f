"""``detplug train --data ... --unlabelled FOLDER``: open-set semi-supervised training of a recipe's detector.

The mode is what configs/openset/README.md recommends: CCE and OODFC, class "unknown" taught with chimeras of labelled
objects. Imports nothing heavy.
"""

import importlib
from pathlib import Path

from detplug.errors import UserError
from detplug.recipe.base_text import base_text
from detplug.recipe.config_text import RecipeConfig
from detplug.recipe.options import RecipeOption
from detplug.recipe.python_text import python_text

OPTION, MODULE = '--unlabelled', 'plugins.openset.register'
METRIC = """val_evaluator = dict(type='OpenSetMetric', max_dets=detections)
test_evaluator = val_evaluator"""
TEXT = """unlabelled_folder = {folder}  # pictures of which no file says what is on them
{open_set}
num_known = len(classes)
# what configs/openset/README.md recommends: class "unknown" is taught with chimeras of labelled objects
open_set.update(mode='oodfc_cce', classes=num_known, burn_in=max_iters * 5 // 12)
open_set['cce'].update(unknown=True, chimeras=0.25)
open_set['fusion'].update(max_false_discovery=0.5)
every_class = dict(max_per_img=detections * (num_known + 1), max_per_class=detections)
open_set['teacher_cfg'].update(every_class)
detector = model  # with one class more, "unknown"
preprocessor = detector.pop('data_preprocessor')
detector['bbox_head']['num_classes'] = num_known + 1
detector['test_cfg'].update(every_class)
model = dict(
    **open_set,
    detector=detector,
    data_preprocessor=dict(type='MultiBranchDataPreprocessor', data_preprocessor=preprocessor),
)

{views}
*mix, pack = mix_pipeline
read_labels, load = source_pipeline
two_sources['batch_size'], two_sources['num_workers'] = batch_size, num_workers
sources = two_sources['dataset']['dataset']
sources['labelled'].update(
    dataset=train_data, pipeline=[*mix, dict(type='MultiBranch', branch_field=branches, sup=pack)]
)
sources['unlabelled'].update(
    dataset=dict(type='ImageFolder', folder=unlabelled_folder, metainfo=dict(classes=classes), pipeline=[load])
)
train_dataloader = two_sources
{metric}
optim_wrapper['constructor'] = 'StudentOptimWrapperConstructor'
custom_hooks = [
    dict(type='OpenSetHook', momentum=1 / min(average, 100), refit=100, interval=50),
    dict(type='ReportHook'),
]
"""


def read_folder(text: str) -> Path:
    """The folder of the unlabelled pictures.

    Raises:
        UserError: it is none.
    """
    folder = Path(text)
    if not folder.is_dir():
        raise UserError(f'{text}: {OPTION}: no such folder; give the folder of the pictures without annotations')
    return folder.resolve()


def add_unlabelled(recipe: RecipeConfig, folder: Path) -> None:
    """Put the recipe's detector into an open-set student and teacher, beside the pictures of ``folder``.

    Raises:
        UserError: a detector whose head does not say what its boxes were made of, or an odd number of images a step.
    """
    from detplug.quiet import quiet_imports

    with quiet_imports():
        from mmdet.registry import MODELS

        for module in recipe.imports:
            importlib.import_module(module)
    head = MODELS.get((recipe.stock_model.get('bbox_head') or {}).get('type', ''))
    if not hasattr(head, 'describe'):
        raise UserError(f'{OPTION}: --model {recipe.settings.model}: its head does not describe its boxes; give one of '
                        'YOLOv5, or write a config as configs/openset/README.md says')  # fmt: skip
    if recipe.batch % 2:
        raise UserError(
            f'--batch {recipe.batch}: {OPTION} takes as many unlabelled as labelled ones; give an even number'
        )
    recipe.imports.append(MODULE)
    recipe.wrapped_by = OPTION
    recipe.notes.append('open-set: mode oodfc_cce with chimeras; half of the images of a step are unlabelled')
    recipe.sections['open-set semi-supervised training'] = TEXT.format(
        folder=python_text(str(folder)),
        open_set=base_text('openset.py'),
        views=base_text('pipelines/semi.py'),
        metric=METRIC,
    )


def evaluate_unknown(recipe: RecipeConfig) -> None:
    """Where classes are unknown, count by which name a detector calls their objects."""
    if recipe.data.unknown and recipe.wrapped_by != OPTION:
        recipe.imports.append(MODULE)
        recipe.sections['evaluation of unknown classes'] = METRIC


OPTIONS = {
    'unlabelled': RecipeOption(
        'DIR',
        'pictures without annotations, which may show classes that nobody named',
        read_folder,
        add_unlabelled,
        every=evaluate_unknown,
    )
}
