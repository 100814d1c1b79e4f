# Chula-ParasiteEgg-11 (ICIP 2022): 11,000 + 2,200 images of parasite eggs. Val is ours: the last 100 of the 1,000
# numbered training images of each class. data/README.md says how to get it.
_base_ = ['../pipelines/microscopy_640.py', '../loaders.py']

data_root = '{{$DETPLUG_DATA:data}}/chula_egg11/'
classes = (
    'Ascaris lumbricoides',
    'Capillaria philippinensis',
    'Enterobius vermicularis',
    'Fasciolopsis buski',
    'Hookworm egg',
    'Hymenolepis diminuta',
    'Hymenolepis nana',
    'Opisthorchis viverrine',
    'Paragonimus spp',
    'Taenia spp. egg',
    'Trichuris trichiura',
)
dataset = dict(type='CheckedCocoDataset', data_root=data_root, metainfo=dict(classes=classes))
train_files = dict(ann_file='annotations/train.json', data_prefix=dict(img='train/'), images_file='splits.json')

train_dataloader = dict(
    num_workers=2,
    dataset=dict(
        dataset=dict(
            dataset=dict(**dataset, **train_files, images_key='train', pipeline=_base_.source_pipeline),
            pipeline=_base_.mix_pipeline,
        ),
    ),
)
val_dataloader = dict(
    num_workers=2,
    dataset=dict(**dataset, **train_files, images_key='val', pipeline=_base_.test_pipeline),
)
test_dataloader = dict(
    num_workers=2,
    dataset=dict(
        **dataset,
        ann_file='annotations/test.json',
        data_prefix=dict(img='test/'),
        pipeline=_base_.test_pipeline,
    ),
)
val_evaluator = dict(type='BoxAP', max_dets=100)  # detections an image; most images hold one egg
test_evaluator = val_evaluator
