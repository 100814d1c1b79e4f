# Roboflow 100, parasites: about 2,110 images of 640x640 px, 8 classes. data/README.md says how to get it.
_base_ = ['../pipelines/microscopy_640.py', '../loaders.py']

data_root = '{{$DETPLUG_DATA:data}}/rf100_parasites/'
dataset = dict(
    type='CheckedCocoDataset',
    data_root=data_root,
    metainfo=dict(
        classes=(
            'Ancylostoma Spp',
            'Ascaris Lumbricoides',
            'Enterobius Vermicularis',
            'Fasciola Hepatica',
            'Hymenolepis',
            'Schistosoma',
            'Taenia Sp',
            'Trichuris Trichiura',
        )
    ),
    ignore_classes=('parasites',),
)  # Roboflow's group name: a category without boxes

train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            dataset=dict(
                **dataset,
                ann_file='annotations/train.json',
                data_prefix=dict(img='train/'),
                pipeline=_base_.source_pipeline,
            ),
            pipeline=_base_.mix_pipeline,
        ),
    ),
)
val_dataloader = dict(
    dataset=dict(
        **dataset,
        ann_file='annotations/valid.json',
        data_prefix=dict(img='valid/'),
        pipeline=_base_.test_pipeline,
    ),
)
test_dataloader = dict(
    dataset=dict(
        **dataset,
        ann_file='annotations/test.json',
        data_prefix=dict(img='test/'),
        pipeline=_base_.test_pipeline,
    ),
)
val_evaluator = dict(type='BoxAP', max_dets=100)  # detections an image
test_evaluator = val_evaluator
