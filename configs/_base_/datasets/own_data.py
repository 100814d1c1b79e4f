# Pictures of your own: data/mine/images and data/mine/annotations/{train,val,test}.json in COCO's format.
_base_ = ['../pipelines/microscopy_640.py', '../loaders.py']

data_root = '{{$DETPLUG_DATA:data}}/mine/'
classes = ('egg',)  # yours, with a comma behind the last; each name of the json is here or in one of the next two
unknown_classes = ()  # not learned, told apart in the evaluation
ignore_classes = ()  # neither learned nor background
dataset = dict(
    type='CheckedCocoDataset',
    data_root=data_root,
    data_prefix=dict(img='images/'),
    metainfo=dict(classes=classes),
    unknown_classes=unknown_classes,
    ignore_classes=ignore_classes,
)

train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        dataset=dict(
            dataset=dict(**dataset, ann_file='annotations/train.json', pipeline=_base_.source_pipeline),
            pipeline=_base_.mix_pipeline,
        ),
    ),
)
val_dataloader = dict(
    dataset=dict(**dataset, ann_file='annotations/val.json', pipeline=_base_.test_pipeline),
)
test_dataloader = dict(
    dataset=dict(**dataset, ann_file='annotations/test.json', pipeline=_base_.test_pipeline),
)
val_evaluator = dict(type='BoxAP', max_dets=300)  # detections an image
test_evaluator = val_evaluator
