# Stanford VRD without pictures: boxes of the truth with a detector's noise in training, R-CNN's detections in the test.
# data/README.md says how to get it; tools/prepare_data.py makes annotations and splits.json.
_base_ = '../names/vrd.py'

data_root = '{{$DETPLUG_DATA:data}}/vrd/'
dataset = dict(
    type='RelationDataset',
    data_root=data_root,
    metainfo=dict(classes=_base_.classes, predicates=_base_.predicates),
)
labels = dict(type='LoadAnnotations', with_bbox=True, box_type=None)
# clean: share of the images with the boxes of the truth themselves; score_thr: R-CNN's detections begin at .5 too
noisy = dict(type='NoisyProposals', classes=100, clean=0.6, score_thr=0.3)
pack = dict(type='PackRelations', extent=True)

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
        images_key='held_out',  # 500 images of train
        pipeline=[labels, dict(noisy, clean=0.0, score_thr=0.5, fixed=True), pack],
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='EvaluationSampler'),
    dataset=dict(
        **dataset,
        test_mode=True,
        ann_file='annotations/test.json',
        pipeline=[labels, dict(type='FileProposals', file=data_root + 'detections_test_rcnn.json'), pack],
    ),
)
val_evaluator = dict(type='RelationMetric', protocol='vrd')
test_evaluator = val_evaluator
