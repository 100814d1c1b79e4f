"""The table of a training's options: one for the command line and for Python, with names and values checked."""

import argparse
from pathlib import Path

import pytest

from detplug.cli import train_data
from detplug.errors import UserError
from detplug.recipe.options import recipe_options
from detplug.recipe.train_options import TrainOptions, arguments, default_options, flag, split_options

GIVEN = dict(
    weights='a.pth', images='folder', unknown=('a', 'b'), augmentation='natural', amp=True, patience=3, log_to='wandb',
    seed=7, accept_anomalies=True,
)  # fmt: skip


def test_the_command_has_the_options_of_the_table_and_reads_them_alike():
    words = ['--data', 'd', '--model', 'm']
    for name, value in GIVEN.items():
        words += [flag(name)] + ([] if value is True else list(value) if name == 'unknown' else [str(value)])
    args = vars(train_data.make_parser().parse_args(words))
    assert split_options({name: args[name] for name in arguments()})[0] == GIVEN == split_options(GIVEN)[0]
    assert GIVEN.keys() == TrainOptions.__annotations__.keys() == default_options().keys(), 'all are tried here'


def test_what_is_not_given_is_the_default_and_plugins_have_theirs():
    args = train_data.make_parser().parse_args(['--data', 'd', '--model', 'm'])
    assert not set(arguments()) & set(vars(args)) and set(recipe_options()) <= set(vars(args))
    assert default_options() == split_options({'weights': None, 'compress': None})[0]
    assert split_options({'compress': '4x', 'unlabelled': Path('x')})[1] == {'compress': '4x', 'unlabelled': 'x'}
    assert split_options({'unknown': 'one name'})[0]['unknown'] == ('one name',)


def test_the_help_says_every_default():
    parser = argparse.ArgumentParser()
    for name, argument in arguments().items():
        argument.add_to(parser, name)
        assert argument.default in (None, False, ()) or f'default: {argument.default}' in argument.help
    assert '--accept-anomalies' in parser.format_help() and '1 % of' in parser.format_help()


@pytest.mark.parametrize(
    ('given', 'line'),
    [
        (dict(step=20), 'step: no such option of a training; did you mean steps?'),
        (dict(weight='coco'), 'weight: no such option of a training; did you mean weights?'),
        (dict(zzz=3), 'zzz: no such option of a training; further options are weights, images, .*, seed, .*compress'),
        (dict(augmentation='night'), '--augmentation night: not known; one of microscopy, natural'),
        (dict(log_to='paper'), '--log-to paper: not known; one of tensorboard, wandb, mlflow'),
        (dict(seed=-1), '--seed -1: not a whole number from 0 to 4294967295'),
        (dict(seed='1.5'), '--seed 1.5: not a whole number'),
        (dict(patience=0), '--patience 0: not a whole number from 1 on'),
        (dict(patience=True), '--patience True: not a whole number'),
        (dict(amp='float16'), '--amp float16: neither True nor False'),
        (dict(weights=3), '--weights 3: neither a text nor a path'),
        (dict(unknown=[1]), r'--unknown \[1\]: not a list of names'),
    ],
)
def test_a_wrong_name_or_value_is_one_line(given, line):
    with pytest.raises(UserError, match=line.replace('?', r'\?')):
        split_options(given)
