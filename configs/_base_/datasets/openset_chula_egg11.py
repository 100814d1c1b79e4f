# Chula-ParasiteEgg-11, a share of its training images labelled; Paragonimus and Taenia eggs are unknown. The split
# (10, 50 alike): python -m plugins.openset.split data/chula_egg11/annotations/train.json \
#     --images-file data/chula_egg11/splits.json --images-key train --unknown "Paragonimus spp" "Taenia spp. egg" \
#     --share 0.2 --out data/chula_egg11/openset_20.json
_base_ = ['./chula_egg11.py', '../pipelines/semi.py']

unknown = ('Paragonimus spp', 'Taenia spp. egg')
names = dict(metainfo=dict(classes=tuple(x for x in _base_.classes if x not in unknown)), unknown_classes=unknown)
train_set = dict(_base_.dataset, **_base_.train_files)
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
