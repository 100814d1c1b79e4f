# The generated slides with 20 % of the training images labelled; the split is made by
# python -m plugins.openset.split data/parasite_samples/annotations/train.json --unknown paragonimus hymenolepis \
#     --share 0.2 --out data/parasite_samples/openset.json
_base_ = ['./parasite_samples.py', '../pipelines/semi.py']

*mix, pack = _base_.mix_pipeline
_, load = _base_.source_pipeline
train_set = dict(_base_.dataset, ann_file='annotations/train.json', images_file='openset.json')
labelled = dict(train_set, images_key='labelled')
train_dataloader = dict(
    _delete_=True,
    batch_size=8,  # 4 labelled and 4 unlabelled images
    num_workers=0,
    sampler=dict(type='TwoSourceSampler', pattern=(1, 1)),
    dataset=dict(
        type='SeededDataset',
        dataset=dict(
            type='TwoSources',
            labelled=dict(
                type='MixDataset',
                dataset=dict(labelled, pipeline=_base_.source_pipeline),
                pipeline=[*mix, dict(type='MultiBranch', branch_field=_base_.branches, sup=pack)],
            ),
            unlabelled=dict(
                type='MixDataset',
                dataset=dict(train_set, images_key='unlabelled', pipeline=[load]),
                pipeline=[_base_.views],
            ),
        ),
    ),
)
# labelled images as they are, to fit the OOD scores
calibration = dict(labelled, pipeline=[*_base_.source_pipeline, pack])
val_evaluator = dict(type='OpenSetMetric', max_dets=300)
test_evaluator = val_evaluator
