# Malaria at 480 px with the given splits: 29 labelled images, 135 unlabelled ones that mix known and unknown objects.
_base_ = ['./malaria.py', '../pipelines/semi.py']

img_scale = (480, 480)  # width, height of the network input in px
read_labels, load = _base_.source_pipeline
load = dict(load, scale=img_scale)
mosaic, *colour, pack = _base_.mix_pipeline
sup = dict(type='MultiBranch', branch_field=_base_.branches, sup=pack)
sources = _base_.two_sources
sources.dataset.dataset.labelled.update(
    dataset=dict(_base_.dataset, images_key='labelled', pipeline=[read_labels, load]),
    pipeline=[dict(mosaic, scale=img_scale), *colour, sup],
)
sources.dataset.dataset.unlabelled.update(dataset=dict(_base_.dataset, images_key='unlabelled', pipeline=[load]))
train_dataloader = dict(_delete_=True, **sources)

read_image, letterbox, *labels = _base_.test_pipeline
test_pipeline = [read_image, dict(letterbox, scale=img_scale), *labels]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_evaluator = dict(type='OpenSetMetric', max_dets=300)
test_evaluator = val_evaluator
