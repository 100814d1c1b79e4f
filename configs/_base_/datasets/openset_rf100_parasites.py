# Roboflow 100, parasites, a share of its training images labelled; Hymenolepis and Schistosoma are unknown. The split
# (10, 50 alike): python -m plugins.openset.split data/rf100_parasites/annotations/train.json \
#     --unknown Hymenolepis Schistosoma --share 0.2 --out data/rf100_parasites/openset_20.json
_base_ = ['./rf100_parasites.py', '../pipelines/semi.py']

unknown = ('Hymenolepis', 'Schistosoma')
known = tuple(x for x in _base_.dataset.metainfo.classes if x not in unknown)
names = dict(metainfo=dict(classes=known), unknown_classes=unknown)
train_set = dict(_base_.dataset, ann_file='annotations/train.json', data_prefix=dict(img='train/'))
train_set.update(names, images_file='openset_20.json')
read_labels, load = _base_.source_pipeline
*mix, pack = _base_.mix_pipeline
sup = dict(type='MultiBranch', branch_field=_base_.branches, sup=pack)
sources = _base_.two_sources
sources.dataset.dataset.labelled.update(
    dataset=dict(train_set, images_key='labelled', pipeline=[read_labels, load]), pipeline=[*mix, sup]
)
sources.dataset.dataset.unlabelled.update(dataset=dict(train_set, images_key='unlabelled', pipeline=[load]))
train_dataloader = dict(_delete_=True, **sources)
val_dataloader = dict(dataset=names)
test_dataloader = dict(dataset=names)
val_evaluator = dict(type='OpenSetMetric', max_dets=100)
test_evaluator = val_evaluator
