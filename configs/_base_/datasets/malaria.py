# IML malaria life cycle: 285 thin smears of 960x720 px, about 110 boxes an image; splits by blocks of 15 neighbouring
# fields of view. Trophozoite and schizont are unknown. data/README.md says how to get it.
_base_ = ['../pipelines/microscopy_640.py', '../loaders.py']

data_root = '{{$DETPLUG_DATA:data}}/malaria/'

# object: annotation id
wrong_boxes = [
    dict(image='PA171806', object=11899, action='drop', why='duplicate of 11883'),
    dict(image='PA171806', object=11892, action='drop', why='duplicate of 11884'),
    dict(image='PA171706', object=2142, action='ignore', why='sliver'),
    dict(image='PA171812', object=12673, action='ignore', why='sliver'),
    dict(image='PA171960', object=25604, action='ignore', why='sliver'),
    dict(image='PA171994', object=27460, action='ignore', why='sliver'),
    dict(image='PA171770', object=7615, action='ignore', why='one box over many cells'),
    dict(image='PA171933', object=22955, action='ignore', why='one box over many cells'),
]
dataset = dict(
    type='CheckedCocoDataset',
    data_root=data_root,
    ann_file='annotations.json',
    data_prefix=dict(img='images/'),
    metainfo=dict(classes=('red blood cell', 'ring', 'gametocyte')),
    unknown_classes=('trophozoite', 'schizont'),
    ignore_classes=('difficult',),
    images_file='splits.json',
    known_label_errors=wrong_boxes,
)

train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        dataset=dict(
            dataset=dict(**dataset, images_key=('labelled', 'unlabelled'), pipeline=_base_.source_pipeline),
            pipeline=_base_.mix_pipeline,
        ),
    ),
)
val_dataloader = dict(
    dataset=dict(**dataset, images_key='val', pipeline=_base_.test_pipeline),
)
test_dataloader = dict(
    dataset=dict(**dataset, images_key='test', pipeline=_base_.test_pipeline),
)
val_evaluator = dict(type='BoxAP', max_dets=300)  # detections an image; 70 % of the images have more than 100 boxes
test_evaluator = val_evaluator
