# V-COCO without pictures: boxes of the truth with a detector's noise. data/README.md says how to get it.
_base_ = '../names/vcoco.py'

data_root = '{{$DETPLUG_DATA:data}}/vcoco/'
dataset = dict(
    type='RelationDataset',
    data_root=data_root,
    metainfo=dict(classes=_base_.classes, predicates=_base_.predicates),
)
labels = dict(type='LoadAnnotations', with_bbox=True, box_type=None)
noisy = dict(type='NoisyProposals', classes=80, clean=0.3, score_thr=0.1)
pack = dict(type='PackRelations')
fixed = [labels, dict(noisy, clean=0.0, fixed=True), pack]

train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=True,
    sampler=dict(type='DrawSampler'),
    dataset=dict(
        type='SeededDataset',
        dataset=dict(
            **dataset,
            ann_file='annotations/train.json',
            images_file='splits.json',
            images_key='train',
            pipeline=[labels, noisy, pack],
        ),
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='EvaluationSampler'),
    dataset=dict(
        **dataset,
        test_mode=True,
        ann_file='annotations/train.json',
        images_file='splits.json',
        images_key='held_out',  # a tenth of train
        pipeline=fixed,
    ),
)
# boxes of the truth: --cfg-options test_dataloader.dataset.pipeline.1.clean=1.0
test_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='EvaluationSampler'),
    dataset=dict(**dataset, test_mode=True, ann_file='annotations/val.json', pipeline=fixed),
)
val_evaluator = dict(type='RelationMetric', protocol='vcoco')
test_evaluator = val_evaluator
