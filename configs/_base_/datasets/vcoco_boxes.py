# V-COCO without pictures: boxes of the truth with a detector's noise; a tenth of train is held out. data/README.md says
# how to get it.
_base_ = ['../names/vcoco.py', './relation_boxes.py']

data_root = '{{$DETPLUG_DATA:data}}/vcoco/'
dataset = dict(data_root=data_root, metainfo=dict(classes=_base_.classes, predicates=_base_.predicates))
noisy = dict(type='NoisyProposals', classes=80, clean=0.3, score_thr=0.1)
pack = dict(type='PackRelations')
fixed = [_base_.labels, dict(noisy, clean=0.0, fixed=True), pack]

train_dataloader = dict(dataset=dict(dataset=dict(**dataset, pipeline=[_base_.labels, noisy, pack])))
val_dataloader = dict(dataset=dict(**dataset, pipeline=fixed))
# boxes of the truth: --cfg-options test_dataloader.dataset.pipeline.1.clean=1.0
test_dataloader = dict(dataset=dict(**dataset, ann_file='annotations/val.json', pipeline=fixed))
val_evaluator = dict(type='RelationMetric', protocol='vcoco')
test_evaluator = val_evaluator
