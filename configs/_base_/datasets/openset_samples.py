# The generated slides with 20 % of the training images labelled; the split is made by
# python -m plugins.openset.split data/parasite_samples/annotations/train.json --unknown paragonimus hymenolepis \
#     --share 0.2 --out data/parasite_samples/openset.json
_base_ = ['./parasite_samples.py', '../pipelines/semi.py']

train_set = dict(_base_.dataset, ann_file='annotations/train.json', images_file='openset.json')
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
