"""Official downloads become our layout: counted, every anomaly listed, whole or not at all."""

import json

import pytest
from tiny_sets import coco_content, write_images, write_voc

from detplug.cli.prepare_data import main
from detplug.data import CheckedCocoDataset, CheckedVocDataset
from detplug.data.prepare import link_images
from detplug.data.records import ImageRecord
from detplug.data.sources import SOURCES, chula_egg11, malaria
from detplug.data.sources.bccd import make_splits
from detplug.errors import UserError


def kinds(out) -> list[str]:
    return sorted({line.split(':')[0] for line in (out / 'anomalies.txt').read_text().splitlines()})


@pytest.fixture
def rf100(tmp_path):
    """Three splits of three images; the json of train has each kind of anomaly."""
    for split in ('train', 'valid', 'test'):
        content = coco_content(names=('parasites', 'Hymenolepis', 'Schistosoma'))
        write_images(tmp_path / 'src' / split, ['0.png', '1.png', '2.png'])
        if split == 'train':
            content['images'][0]['width'] = 90  # wrong size
            content['images'].append(dict(id=9, file_name='9.png', width=48, height=32))  # missing
            content['annotations'][0]['bbox'] = [3, 3, 0, 5]  # degenerate
            content['annotations'][1]['bbox'] = [90, 30, 20, 5]  # outside
            content['annotations'][4]['bbox'] = [40, 3, 20, 5]  # over the edge
            content['annotations'].append(dict(content['annotations'][5], id=50))  # duplicate
            content['categories'].append(dict(id=7, name='zebra'))  # unknown label
            (tmp_path / 'src/train/2.png').write_bytes(b'\x89PNG broken')
        (tmp_path / 'src' / split / '_annotations.coco.json').write_text(json.dumps(content))
    return tmp_path


def test_every_anomaly_is_listed_and_nothing_is_lost(rf100, capsys):
    main(['rf100-parasites', str(rf100 / 'src'), '--out', str(rf100 / 'out')])
    assert kinds(rf100 / 'out') == [
        'box clipped to the image',
        'box outside the image dropped',
        'broken image',
        'count differs from the official one',
        'degenerate box dropped',
        'missing image',
        'near-duplicate boxes',
        'unknown label',
        'wrong size',
    ]
    for split in ('train', 'valid', 'test'):
        source = (rf100 / 'src' / split / '_annotations.coco.json').read_bytes()
        assert (rf100 / 'out' / 'annotations' / f'{split}.json').read_bytes() == source
        assert len(list((rf100 / 'out' / split).iterdir())) == 3
    assert json.loads((rf100 / 'out/counts.json').read_text())['train boxes'] == 7
    assert '1484' in capsys.readouterr().out
    assert not (rf100 / 'out.part').exists()


def test_the_layout_is_the_one_of_the_config(rf100):
    main(['rf100-parasites', str(rf100 / 'src'), '--out', str(rf100 / 'out')])
    dataset = CheckedCocoDataset(
        data_root=str(rf100 / 'out'),
        ann_file='annotations/test.json',
        data_prefix=dict(img='test'),
        ignore_classes=('parasites',),
        test_mode=True,
        metainfo=dict(classes=('Hymenolepis', 'Schistosoma')),
    )
    assert len(dataset) == 3


def test_a_second_run_is_idempotent_and_other_content_is_refused(rf100):
    arguments = ['rf100-parasites', str(rf100 / 'src'), '--out', str(rf100 / 'out')]
    main(arguments)
    main(arguments)
    (rf100 / 'out/valid/1.png').unlink()
    with pytest.raises(UserError, match=r'valid/1\.png: differs from .*; remove .*out or choose another --out'):
        main(arguments)
    (rf100 / 'out/anomalies.txt').write_text('')
    with pytest.raises(UserError, match=r'anomalies\.txt: exists and differs'):
        main(arguments)


@pytest.mark.parametrize('name', SOURCES)
def test_a_folder_that_is_not_the_download_is_refused(name, tmp_path):
    with pytest.raises(UserError, match='not found|no xml|no jpg'):
        main([name, str(tmp_path), '--out', str(tmp_path / 'out')])
    with pytest.raises(UserError, match='not a folder'):
        main([name, str(tmp_path / 'nowhere'), '--out', str(tmp_path / 'out')])
    assert not (tmp_path / 'out').exists()


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(UserError, match='imagenet: no such data set; one of coco, bccd'):
        main(['imagenet', str(tmp_path), '--out', str(tmp_path / 'out')])


def test_bccd_keeps_its_layout(tmp_path):
    boxes = [('RBC', 1, 1, 9, 9), ('WBC', 9, 9, 9, 9)]
    src = write_voc(tmp_path / 'src', {f'BloodImage_{i:05d}': boxes for i in range(4)})
    for name, numbers in (('train', (0, 1)), ('val', (2,)), ('test', (3,))):
        (src / f'ImageSets/Main/{name}.txt').write_text(''.join(f'BloodImage_{i:05d}\n' for i in numbers))
    (src / 'labels.csv').write_text(',Image,Category\n,0,NEUTROPHIL\n,1,"NEUTROPHIL, EOSINOPHIL"\n,2,\n')
    main(['bccd', str(src), '--out', str(tmp_path / 'out')])
    assert kinds(tmp_path / 'out') == ['count differs from the official one', 'degenerate box dropped']
    dataset = CheckedVocDataset(
        data_root=str(tmp_path / 'out'),
        images_file='splits.json',
        images_key='labelled',
        metainfo=dict(classes=('RBC', 'neutrophil')),
        ignore_classes=('WBC',),
        subtypes=dict(file='wbc_subtypes.csv', name='WBC'),
    )
    assert [item['img_id'] for item in dataset] == ['BloodImage_00001']


def test_bccd_splits_are_those_that_were_checked(real_data):
    root = real_data('bccd')
    want = json.loads((root / 'splits.json').read_text())
    found = make_splits(root / 'ImageSets/Main')
    assert {key: set(names) for key, names in found.items()} == {key: set(names) for key, names in want.items()}


@pytest.fixture
def iml(tmp_path):
    """The publisher's format, 345 images with 1-2 boxes; three files only are there."""
    cells = [
        dict(type=name, bbox=dict(x='10', y='20', h='30', w=w)) for name, w in (('ring', '40'), ('difficult', '41'))
    ]
    content = [dict(image_name=f'PA{171690 + i}.JPG', objects=cells[: 1 + i % 2]) for i in range(345)]
    (tmp_path / 'src').mkdir()
    (tmp_path / 'src/annotations.json').write_text(json.dumps(content[::-1]))
    write_images(tmp_path / 'src/IML_Malaria', ['PA171690.JPG', 'PA171691.JPG', 'PA999999.JPG'])
    return tmp_path


def test_malaria_becomes_coco_with_splits_by_block(iml):
    main(['malaria', str(iml / 'src'), '--out', str(iml / 'out')])
    splits = json.loads((iml / 'out/splits.json').read_text())
    parts = ('labelled', 'unlabelled', 'val', 'test')
    blocks = {name: {(int(x[2:8]) - 171690) // 15 for x in splits[name]} for name in parts}
    assert blocks['val'] == {5, 11, 18} and blocks['test'] == {3, 8, 13, 17, 21}
    assert not (blocks['labelled'] | blocks['unlabelled']) & (blocks['val'] | blocks['test'] | {4, 9, 14, 19})
    content = json.loads((iml / 'out/annotations.json').read_text())
    assert [a['id'] for a in content['annotations']] == list(range(1, 345 + 172 + 1))
    assert content['annotations'][1]['bbox'] == [10, 20, 40, 30]
    assert {'missing image', 'wrong size', 'image without annotation'} <= set(kinds(iml / 'out'))


def test_malaria_splits_are_those_that_were_checked(real_data):
    root = real_data('malaria')
    want = json.loads((root / 'splits.json').read_text())
    images = json.loads((root / 'annotations.json').read_text())['images']
    blocks = {image['file_name']: image['block'] for image in images}
    records = [malaria.ImageRecord(0, name, 1, 1) for name in blocks]
    assert malaria._splits(records, blocks) == want


def test_malaria_lists_objects_of_another_type(iml):
    content = json.loads((iml / 'src/annotations.json').read_text())
    content[0]['objects'][0]['type'] = 'leukocyte'
    (iml / 'src/annotations.json').write_text(json.dumps(content))
    assert 'leukocyte, left out' in malaria.read_annotations(iml / 'src/annotations.json')[1][0]
    content[0]['objects'][0]['bbox']['x'] = 'left'
    (iml / 'src/annotations.json').write_text(json.dumps(content))
    with pytest.raises(UserError, match='is not x, y, h, w in pixels'):
        malaria.read_annotations(iml / 'src/annotations.json')


def test_chula_holds_out_the_last_tenth_of_each_class(tmp_path):
    names = [f'{name}_{i:04d}.jpg' for name in chula_egg11.NAMES[:2] for i in (1, 900, 901, 1000)]
    content = coco_content(names=chula_egg11.NAMES[:3], images=8)
    for image, name in zip(content['images'], names, strict=True):
        image['file_name'] = name
    for folder in ('Chula-ParasiteEgg-11/data', 'test/data'):
        write_images(tmp_path / 'src' / folder, names)
    for file in ('Chula-ParasiteEgg-11/labels.json', 'test_labels_200.json'):
        (tmp_path / 'src' / file).write_text(json.dumps(content))
    main(['chula-egg11', str(tmp_path / 'src'), '--out', str(tmp_path / 'out')])
    splits = json.loads((tmp_path / 'out/splits.json').read_text())
    assert splits['val'] == [name for name in names if name.endswith(('_0901.jpg', '_1000.jpg'))]
    assert sorted(splits['train'] + splits['val']) == sorted(names)
    assert len(list((tmp_path / 'out/train').iterdir())) == 8 == len(list((tmp_path / 'out/test').iterdir()))


@pytest.mark.parametrize('name', ['../../secret.png', '..\\..\\secret.png', '/secret.png', 'a/../../secret.png'])
def test_a_file_name_that_leads_out_of_the_download_is_refused(tmp_path, name):
    records = [ImageRecord(0, name, 48, 32)]
    with pytest.raises(UserError, match='file_name: .*leads out of the folder of the images'):
        link_images(records, tmp_path, 'train')


def test_a_download_without_sizes_gets_them_from_its_images(rf100):
    path = rf100 / 'src/valid/_annotations.coco.json'
    content = json.loads(path.read_text())
    for image in content['images']:
        del image['width']
    path.write_text(json.dumps(content))
    (rf100 / 'src/valid/2.png').unlink()
    main(['rf100-parasites', str(rf100 / 'src'), '--out', str(rf100 / 'out')])
    assert {'size read from the image', 'neither size nor image'} <= set(kinds(rf100 / 'out'))
