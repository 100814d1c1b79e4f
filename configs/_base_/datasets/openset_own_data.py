# Your own two folders: data/mine as own_data.py names it (few pictures, all their objects labelled) and
# data/mine/unlabelled (many pictures, no annotation file, all folders in it); 640 px.
_base_ = ['./own_data.py', '../pipelines/semi.py']

unlabelled_folder = _base_.data_root + 'unlabelled/'
*mix, pack = _base_.mix_pipeline
read_labels, load = _base_.source_pipeline
sup = dict(type='MultiBranch', branch_field=_base_.branches, sup=pack)
sources = _base_.two_sources
sources.dataset.dataset.labelled.update(
    dataset=dict(**_base_.dataset, ann_file='annotations/train.json', pipeline=_base_.source_pipeline),
    pipeline=[*mix, sup],
)
sources.dataset.dataset.unlabelled.update(
    dataset=dict(type='ImageFolder', folder=unlabelled_folder, metainfo=dict(classes=_base_.classes), pipeline=[load]),
)
train_dataloader = dict(_delete_=True, **sources)
val_evaluator = dict(type='OpenSetMetric', max_dets=300)
test_evaluator = val_evaluator
