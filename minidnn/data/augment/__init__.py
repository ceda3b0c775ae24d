"""Data augmentation on the fly: realistic new instances made from existing ones.

augmentation = augment.Augment([augment.shift(2), augment.rotate(15), augment.elastic(34, 4)], image_shape=(28, 28))
training.fit(model, train, ..., augment=augmentation)
"""

from minidnn.data.augment.colour import brightness, contrast, hue, noise, saturation
from minidnn.data.augment.compose import Augment, contact_sheet, uniform
from minidnn.data.augment.geometry import crop, elastic, flip, rotate, shear, shift, zoom
from minidnn.data.augment.mixup import Mixup

__all__ = [
    "Augment",
    "Mixup",
    "brightness",
    "contact_sheet",
    "contrast",
    "crop",
    "elastic",
    "flip",
    "hue",
    "noise",
    "rotate",
    "saturation",
    "shear",
    "shift",
    "uniform",
    "zoom",
]
