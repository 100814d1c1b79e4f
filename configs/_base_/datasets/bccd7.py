# BCCD with the five white-cell subtypes; eosinophil and basophil are unknown, WBC boxes of mixed images are ignored.
_base_ = './bccd.py'

dataset = dict(
    metainfo=dict(classes=('RBC', 'Platelets', 'neutrophil', 'lymphocyte', 'monocyte')),
    unknown_classes=('eosinophil', 'basophil'),
    ignore_classes=('WBC',),  # images with several subtypes, or none
    subtypes=dict(file='wbc_subtypes.csv', name='WBC'),
)
train_dataloader = dict(dataset=dict(dataset=dict(dataset=dataset)))
val_dataloader = dict(dataset=dataset)
test_dataloader = dict(dataset=dataset)
