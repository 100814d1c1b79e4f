# openset_malaria.py at 320 px, for detectors that cost more.
_base_ = './openset_malaria.py'

img_scale = (320, 320)  # width, height of the network input in px


def resized(part):
    """A copy with every ``scale`` at ``img_scale``."""
    if isinstance(part, dict):
        return {key: img_scale if key == 'scale' else resized(value) for key, value in part.items()}
    return [resized(x) for x in part] if isinstance(part, list) else part


train_dataloader = dict(_delete_=True, **resized(_base_.train_dataloader))
val_dataloader = dict(_delete_=True, **resized(_base_.val_dataloader))
test_dataloader = dict(_delete_=True, **resized(_base_.test_dataloader))
