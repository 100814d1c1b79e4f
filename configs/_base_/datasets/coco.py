# COCO 2017 detection, 80 classes. data/README.md says how to get it.
_base_ = ['../names/coco.py', '../pipelines/natural_640.py', '../loaders.py']

data_root = '{{$DETPLUG_DATA:data}}/coco/'
dataset = dict(type='CheckedCocoDataset', data_root=data_root, metainfo=dict(classes=_base_.classes))

train_dataloader = dict(
    num_workers=2,
    dataset=dict(
        dataset=dict(
            dataset=dict(
                **dataset,
                ann_file='annotations/instances_train2017.json',
                data_prefix=dict(img='train2017/'),
                pipeline=_base_.source_pipeline,
            ),
            pipeline=_base_.mix_pipeline,
        ),
    ),
)
val_dataloader = dict(
    num_workers=2,
    dataset=dict(
        **dataset,
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
        pipeline=_base_.test_pipeline,
    ),
)
test_dataloader = val_dataloader  # the labels of test2017 are not published
val_evaluator = dict(type='BoxAP', max_dets=100)  # detections an image, as COCO's server
test_evaluator = val_evaluator
