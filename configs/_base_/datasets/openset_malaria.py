# Malaria at 480 px with the given splits: 29 labelled images, 135 unlabelled ones that mix known and unknown objects.
_base_ = ['./malaria.py', '../pipelines/semi.py']

side = (480, 480)  # px
read_labels, load = _base_.source_pipeline
load = dict(load, scale=side)
mosaic, *colour, pack = _base_.mix_pipeline
read_image, letterbox, *labels = _base_.test_pipeline
test_pipeline = [read_image, dict(letterbox, scale=side), *labels]
labelled = dict(_base_.dataset, images_key='labelled')
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
                dataset=dict(labelled, pipeline=[read_labels, load]),
                pipeline=[
                    dict(mosaic, scale=side),
                    *colour,
                    dict(type='MultiBranch', branch_field=_base_.branches, sup=pack),
                ],
            ),
            unlabelled=dict(
                type='MixDataset',
                dataset=dict(_base_.dataset, images_key='unlabelled', pipeline=[load]),
                pipeline=[_base_.views],
            ),
        ),
    ),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
# labelled images as they are, to fit the OOD scores
calibration = dict(labelled, pipeline=[read_labels, load, pack])
val_evaluator = dict(type='OpenSetMetric', max_dets=300)
test_evaluator = val_evaluator
