# openset_malaria.py at 320 px, for detectors that cost more.
_base_ = './openset_malaria.py'


def at_320(part):
    """A copy with every ``scale`` at 320 px."""
    if isinstance(part, dict):
        return {key: (320, 320) if key == 'scale' else at_320(value) for key, value in part.items()}
    return [at_320(x) for x in part] if isinstance(part, list) else part


train_dataloader = dict(_delete_=True, **at_320(_base_.train_dataloader))
val_dataloader = dict(_delete_=True, **at_320(_base_.val_dataloader))
test_dataloader = dict(_delete_=True, **at_320(_base_.test_dataloader))
