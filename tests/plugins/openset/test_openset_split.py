"""Splits: whole slides are drawn, no labelled image holds what may be unknown, every known class is labelled."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_sets import coco_content, write_coco

from detplug.cli.run import run
from detplug.errors import UserError
from plugins.openset.split import Rule, main, split_images
from plugins.openset.split_sources import SplitImage, number_of_block, part_of_name


def image(name: str, *names: str, slide: str | None = None) -> SplitImage:
    return SplitImage(name, slide or name, frozenset(names))


def images_of(slides: list[list[set[str]]]) -> list[SplitImage]:
    return [image(f'{s}_{i}.png', *held, slide=str(s)) for s, rows in enumerate(slides) for i, held in enumerate(rows)]


CROWD = [image(f'{i:02}.png', 'worm' if i % 4 else 'egg') for i in range(39)] + [image('39.png', 'worm', 'cyst')]
HELD = st.sets(st.sampled_from(['worm', 'egg', 'cyst', 'debris']))


def test_no_labelled_image_holds_an_unknown_object():
    rule = Rule(['egg'])
    lists = split_images(CROWD, rule)
    held = {x.file_name: x.names for x in CROWD}
    assert not any('egg' in held[name] for name in lists['labelled'])
    assert '39.png' in lists['labelled'] and 8 <= len(lists['labelled']) <= 9  # the only image with a cyst is taken too
    assert sorted(lists['labelled'] + lists['unlabelled']) == sorted(held) and not lists['left_out']
    assert lists == split_images(CROWD, rule) != split_images(CROWD, Rule(['egg'], seed=1))


@given(
    slides=st.lists(st.lists(HELD, min_size=1, max_size=6), min_size=1, max_size=12),
    share=st.sampled_from([0.01, 0.2, 0.5, 1]), seed=st.integers(0, 100),
)  # fmt: skip
def test_the_laws_of_a_split(slides, share, seed):
    images, rule = images_of(slides), Rule(['cyst'], ['debris'], share, seed)
    known = set().union(*(x.names for x in images)) - {'cyst', 'debris'}
    clean = [x for x in images if not x.names & {'cyst', 'debris'}]
    if not clean or known - set().union(*(x.names for x in clean)):
        with pytest.raises(UserError, match='labelled'):
            split_images(images, rule)
        return
    lists = split_images(images, rule)
    by_name = {x.file_name: x for x in images}
    labelled, unlabelled, left_out = (
        [by_name[x] for x in lists[key]] for key in ('labelled', 'unlabelled', 'left_out')
    )
    assert sorted(x.file_name for x in [*labelled, *unlabelled, *left_out]) == sorted(by_name)
    assert all(x in clean for x in labelled) and not any(x in clean for x in left_out)
    assert not {x.slide for x in labelled + left_out} & {x.slide for x in unlabelled}
    assert {x.slide for x in left_out} <= {x.slide for x in labelled}
    assert known <= set().union(*(x.names for x in labelled))
    assert len(labelled) >= min(len(clean), max(1, round(share * len(images))))


def test_what_is_ignored_may_be_unknown_and_need_not_be_labelled():
    images = [image('a.png', 'worm', 'debris'), image('b.png', 'worm'), image('c.png', 'debris'), image('d.png')]
    lists = split_images(images, Rule([], ['debris'], share=1))
    assert lists['labelled'] == ['b.png', 'd.png'] and lists['unlabelled'] == ['a.png', 'c.png']


@pytest.mark.parametrize(
    ('rule', 'message'),
    [
        (Rule(['egg'], share=0), '--share 0'),
        (Rule(['worm', 'egg']), 'every image holds an unknown'),
        (Rule(['worm']), 'cyst: every image that holds one holds an unknown or an ignored object too'),
    ],
)
def test_what_cannot_be_split_is_named(rule, message):
    with pytest.raises(UserError, match=message):
        split_images(CROWD, rule)


def test_slides_of_file_names():
    assert part_of_name(r'slide(\d+)_')('a/slide12_3.png') == '12' and part_of_name('^[^_]+')('p7_1.png') == 'p7'
    block = number_of_block([image(f'PA{i}.jpg') for i in (171692, 171690)], 15)
    assert [block(f'PA{i}.jpg') for i in (171690, 171704, 171705)] == ['0', '0', '1']


def write(tmp_path, count=12, **fields):
    content = coco_content(images=count)
    for i, item in enumerate(content['images']):
        item.update({name: value(i) for name, value in fields.items()})
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    return str(tmp_path / 'ann.json'), [item['file_name'] for item in content['images']]


@pytest.mark.parametrize('field', ['patient_id', 'glass'])
def test_slides_of_a_field(field, tmp_path, capsys):
    """A field that names a patient or a slide is used unasked; another by its name."""
    source, names = write(tmp_path, **{field: lambda i: i // 4})
    words = ['--slide-field', field] if field == 'glass' else []
    assert main([source, *words, '--out', str(tmp_path / 's.json')]) == 0
    split = json.loads((tmp_path / 's.json').read_text())
    assert len(split['labelled']) == 4 and len({names.index(x) // 4 for x in split['labelled']}) == 1
    assert f'drawn by slide, the field {field}' in capsys.readouterr().out


def test_without_any_word_of_slides_images_are_drawn_and_it_is_said(tmp_path, capsys):
    source, _ = write(tmp_path)
    assert main([source, '--out', str(tmp_path / 's.json')]) == 0
    assert 'drawn by image, as nothing tells slides; --slide' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--unknown', 'spider'], '--unknown spider: no such category'),
        (['--ignore', 'spider'], '--ignore spider: no such category'),
        (['--slide', '('], '--slide (: no regular expression'),
        (['--slide', 'x(y)'], 'does not match the file name'),
        (['--slide-field', 'glass'], '--slide-field glass: image'),
        (['--neighbours', '1'], '--neighbours 1: give 2 or more'),
        (['--share', '1.5'], '--share 1.5'),
    ],
)
def test_wrong_words_are_one_line(words, message, tmp_path, capsys):
    source, _ = write(tmp_path)
    assert run(main, [source, *words, '--out', str(tmp_path / 's.json')]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1 and not (tmp_path / 's.json').exists()


def test_a_split_of_listed_images_only(tmp_path):
    write_coco(tmp_path)
    names = [item['file_name'] for item in json.loads((tmp_path / 'ann.json').read_text())['images']]
    (tmp_path / 'lists.json').write_text(json.dumps(dict(a=names[:1], b=names[1:2], val=names[2:])))
    out = tmp_path / 'split.json'
    words = ['--images-file', str(tmp_path / 'lists.json'), '--images-key', 'a', 'b', '--share', '0.5']
    assert main([str(tmp_path / 'ann.json'), *words, '--out', str(out)]) == 0
    split = json.loads(out.read_text())
    assert sorted(split['labelled'] + split['unlabelled']) == sorted(names[:2])


def test_the_training_images_of_a_config_are_split(tmp_path):
    """Its own unknown and ignored names are classes as any: what a task hides is the command's to say."""
    write_coco(tmp_path)
    names = json.loads((tmp_path / 'ann.json').read_text())['categories']
    first, second, third = (x['name'] for x in names)
    data = dict(type='CheckedCocoDataset', data_root=str(tmp_path), ann_file='ann.json', data_prefix=dict(img='img'))
    data |= dict(metainfo=dict(classes=(first,)), unknown_classes=(second,), ignore_classes=(third,))
    path, out = tmp_path / 'config.py', tmp_path / 'split.json'
    path.write_text(f'train_dataloader = dict(dataset={data!r})\n')
    content = json.loads((tmp_path / 'ann.json').read_text())
    content['annotations'] = [dict(x, category_id=names[x['image_id'] % 2]['id']) for x in content['annotations']]
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    assert main([str(path), '--unknown', first, '--out', str(out)]) == 0
    split, by_id = json.loads(out.read_text()), {x['id']: x['file_name'] for x in content['images']}
    hidden = {by_id[x['image_id']] for x in content['annotations'] if x['category_id'] == names[0]['id']}
    assert hidden and not hidden & set(split['labelled']) and split['labelled']
    assert sorted(split['labelled'] + split['unlabelled']) == sorted(by_id.values())
    assert run(main, [str(path), '--images-file', 'x.json', '--out', str(out)]) == 2
