# BCCD with white cells by subtype and the given splits: 38 labelled images, 167 unlabelled ones with eosinophils and
# basophils among them. Validated on val_clean, tested on test_clean.
_base_ = ['./bccd7.py', '../pipelines/semi.py']

*mix, pack = _base_.mix_pipeline
_, load = _base_.source_pipeline
train_set = dict(
    _base_.dataset,
    type='CheckedVocDataset',
    data_root=_base_.data_root,
    images_file='splits.json',
    known_label_errors=_base_.wrong_boxes + _base_.no_red_cells,
)
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
