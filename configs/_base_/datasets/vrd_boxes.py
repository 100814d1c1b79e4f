# Stanford VRD without pictures: boxes of the truth with a detector's noise in training, R-CNN's detections in the test;
# 500 images of train are held out. data/README.md says how to get it.
_base_ = ['../names/vrd.py', './relation_boxes.py']

data_root = '{{$DETPLUG_DATA:data}}/vrd/'
dataset = dict(data_root=data_root, metainfo=dict(classes=_base_.classes, predicates=_base_.predicates))
# clean: share of the images with the boxes of the truth themselves
noisy = dict(type='NoisyProposals', classes=100, clean=0.6, score_thr=0.3)
pack = dict(type='PackRelations', extent=True)
# 48 images have no detection; the annotations do not know the pictures' sizes
detections = dict(type='FileProposals', file=data_root + 'detections_test_rcnn.json', missing='empty', check_size=False)

train_dataloader = dict(dataset=dict(dataset=dict(**dataset, pipeline=[_base_.labels, noisy, pack])))
val_dataloader = dict(
    dataset=dict(**dataset, pipeline=[_base_.labels, dict(noisy, clean=0.0, score_thr=0.5, fixed=True), pack])
)
test_dataloader = dict(dataset=dict(**dataset, pipeline=[_base_.labels, detections, pack]))
val_evaluator = dict(type='RelationMetric', protocol='vrd')
test_evaluator = val_evaluator
