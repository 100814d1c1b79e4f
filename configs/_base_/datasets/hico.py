# HICO-DET with its pictures; 2,000 images of train are held out to choose checkpoints by (splits.json).
# data/README.md says how to get it; tools/prepare_data.py hico-det makes the annotations.
_base_ = '../names/hico.py'

data_root = '{{$DETPLUG_DATA:data}}/hico_det/'
img_scale = (1333, 800)  # longer and shorter side of the network input in px, at most
dataset = dict(
    type='RelationDataset',
    data_root=data_root,
    data_prefix=dict(img='images/'),
    metainfo=dict(classes=_base_.classes, predicates=_base_.predicates),
)
labels = dict(type='LoadAnnotations', with_bbox=True)
pack = dict(type='PackRelations')
resize = dict(type='Resize', scale=img_scale, keep_ratio=True)  # a portrait turns the scale, as detectors are trained
test_pipeline = [dict(type='LoadImageFromFile'), resize, labels, pack]

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
            images_file='splits.json',
            images_key='train',
            merge_iou=0.5,  # a person is drawn again for every verb; the detector shall not learn duplicates
            pipeline=[
                dict(type='LoadImageFromFile'),
                labels,
                resize,
                dict(type='MirrorRelations', prob=0.5),
                dict(type='ColourJitter', hue=0.015, saturation=0.4, value=0.4),
                pack,
            ],
        ),
    ),
)
evaluation = dict(batch_size=1, num_workers=2, sampler=dict(type='EvaluationSampler'))
val_dataloader = dict(
    **evaluation,
    dataset=dict(
        **dataset,
        test_mode=True,
        ann_file='annotations/train.json',
        images_file='splits.json',
        images_key='held_out',
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    **evaluation, dataset=dict(**dataset, test_mode=True, ann_file='annotations/test.json', pipeline=test_pipeline)
)
val_evaluator = dict(type='RelationMetric', protocol='hico')
# the known-object setting (known_full, ...) needs HICO's labels of images, which prepare_data links where the download
# has them; without them: --cfg-options test_evaluator.options.known_labels=None
test_evaluator = dict(type='RelationMetric', protocol='hico', options=dict(known_labels=data_root + 'anno.mat'))
