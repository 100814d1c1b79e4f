# BCCD with white cells by subtype and the given splits: 38 labelled images, 167 unlabelled ones with eosinophils and
# basophils among them. Validated on val_clean, tested on test_clean.
_base_ = ['./bccd7.py', '../pipelines/semi.py']

train_set = dict(
    _base_.dataset,
    type='CheckedVocDataset',
    data_root=_base_.data_root,
    images_file='splits.json',
    known_label_errors=_base_.wrong_boxes + _base_.no_red_cells,
)
read_labels, load = _base_.source_pipeline
*mix, pack = _base_.mix_pipeline
sup = dict(type='MultiBranch', branch_field=_base_.branches, sup=pack)
sources = _base_.two_sources
sources.dataset.dataset.labelled.update(
    dataset=dict(train_set, images_key='labelled', pipeline=[read_labels, load]), pipeline=[*mix, sup]
)
sources.dataset.dataset.unlabelled.update(dataset=dict(train_set, images_key='unlabelled', pipeline=[load]))
train_dataloader = dict(_delete_=True, **sources)
val_evaluator = dict(type='OpenSetMetric', max_dets=300)
test_evaluator = val_evaluator
