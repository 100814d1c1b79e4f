# HICO-DET with its pictures. data/README.md says how to get it; tools/prepare_data.py hico-det makes the annotations.
_base_ = '../names/hico.py'

data_root = '{{$DETPLUG_DATA:data}}/hico_det/'
img_scale = (1333, 800)  # width, height of the network input in px
dataset = dict(
    type='RelationDataset',
    data_root=data_root,
    data_prefix=dict(img='images/'),
    metainfo=dict(classes=_base_.classes, predicates=_base_.predicates),
)
labels = dict(type='LoadAnnotations', with_bbox=True, box_type=None)
pack = dict(type='PackRelations')
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Letterbox', scale=img_scale), labels, pack]

train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DrawSampler'),
    dataset=dict(
        type='SeededDataset',
        dataset=dict(
            **dataset,
            ann_file='annotations/train.json',
            pipeline=[
                labels,
                # cache_mb: MB of disk for resized images, one file for all processes and runs; 0: no cache
                dict(type='LoadResizedImage', scale=img_scale, cache_mb=8192),
                dict(type='MirrorRelations', prob=0.5),
                dict(type='ColourJitter', hue=0.015, saturation=0.4, value=0.4),
                pack,
            ],
        ),
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='EvaluationSampler'),
    dataset=dict(**dataset, test_mode=True, ann_file='annotations/test.json', pipeline=test_pipeline),
)
val_dataloader = test_dataloader  # HICO-DET has no official val; hold images out with images_file to choose by
val_evaluator = dict(type='RelationMetric', protocol='hico')
test_evaluator = val_evaluator
