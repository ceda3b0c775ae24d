"""Pictures in folders, with Pillow (the extra ``images``)."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from minidnn.checks import positive_integer
from minidnn.data.checksums import of_files
from minidnn.data.datasets import ArrayDataset, Change, Dataset
from minidnn.data.pipeline import gather, gather_labels
from minidnn.data.types import Bytes, Floats32, Indices

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What Pillow may take a file for, whatever it is called: it knows many more, less well kept, and one that runs a
PostScript interpreter."""


class ImageError(ValueError):
    """A picture that cannot be read; the message names the file and the fault."""


class ImageFolder(Dataset):
    """Pictures in a folder for each class, ``FOLDER/CLASS/.../NAME.png``, decoded when a batch needs them.

    Nothing but the names is kept, so there may be more pictures than memory holds; `load` decodes them all once and for
    all. Classes are the names of the folders in alphabetical order, examples are in alphabetical order of their paths;
    hidden files and those without the suffix of a picture are passed over.

    Args:
        image_shape: (h, w) for grey or (h, w, 3) for RGB; pictures of another size are resized (bilinear, antialiased),
            of another mode converted, without their transparency. None: that of the first, and a picture of another
            size is an error.

    Attributes:
        paths: of the examples.
        image_shape: (h, w) or (h, w, 3).

    Raises:
        ImportError: Pillow is missing; names the extra.
        ValueError: a class without a picture, no class at all, or another image_shape.
        ImageError: the first picture cannot be read. That of any other comes from `gather`.
        OSError: the folder cannot be read.
    """

    slow = True

    def __init__(self, folder: str | os.PathLike[str], image_shape: tuple[int, ...] | None = None) -> None:
        _pillow()
        self.folder = Path(folder)
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != ".")
        found = [_pictures(self.folder / name) for name in names]
        if not names or not all(found):
            empty = self.folder / names[found.index([])] if names else "no folder of a class"
            raise ValueError(f"ImageFolder: {folder} must have a folder with pictures for each class, not {empty}")
        self.classes = tuple(names)
        self.paths = [path for paths in found for path in paths]
        self.y = np.repeat(np.arange(len(names)), [len(paths) for paths in found])
        self.resized = image_shape is not None
        self.image_shape = _checked(_shape_of(self.paths[0]) if image_shape is None else image_shape)

    def gather(self, order: Indices, change: Change | None = None) -> Floats32:
        x = gather(self._decoded(order), np.arange(len(order)))
        return change(x) if change else x

    def load(self) -> ArrayDataset:
        """All of them decoded, as bytes in memory.

        Raises:
            ImageError: a picture cannot be read, or has another size.
        """
        x = self._decoded(np.arange(len(self)))
        return ArrayDataset(x.reshape(len(x), *self.image_shape), self.y, self.classes)

    def checksums(self) -> list[int]:
        names = "\n".join(f"{path.relative_to(self.folder)} {path.stat().st_size}" for path in self.paths)
        texts = (names.encode(errors="surrogateescape"), repr(self.image_shape).encode())
        return [*map(zlib.crc32, texts), of_files(self.paths)]

    def _decoded(self, order: Indices) -> Bytes:
        gather_labels(self.y, order)  # refuses what is out of range
        x = np.empty((len(order), int(np.prod(self.image_shape))), np.uint8)
        for row, i in zip(x, order, strict=True):
            row[:] = _read(self.paths[i], self.image_shape, self.resized).reshape(-1)
        return x


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError('ImageFolder: needs Pillow; install it with: pip install "minidnn[images]"') from error
    return Image


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()
    )


def _checked(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)):
        raise ValueError(f"ImageFolder: image_shape must be (h, w) or (h, w, 3), got {shape}")
    return tuple(positive_integer("ImageFolder", f"image_shape[{i}]", n) for i, n in enumerate(shape))


def _shape_of(path: Path) -> tuple[int, ...]:
    image = _open(path)
    grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I;16")
    return (image.height, image.width) if grey else (image.height, image.width, 3)


def _read(path: Path, shape: tuple[int, ...], resize: bool) -> Bytes:
    image = _open(path, "L" if len(shape) == 2 else "RGB")
    h, w = shape[:2]
    if image.size != (w, h):
        if not resize:
            raise ImageError(f"ImageFolder: {path} is {image.height} x {image.width}, the first is {h} x {w}")
        image = image.resize((w, h), _pillow().Resampling.BILINEAR)
    return np.asarray(image, np.uint8)


def _open(path: Path, mode: str | None = None) -> Any:
    """The picture, decoded, turned upright as its EXIF data says, and of this mode.

    Raises:
        ImageError: it is damaged, of none of these formats, or has more pixels than Pillow's limit
            (``Image.MAX_IMAGE_PIXELS``).
        OSError: it cannot be opened.
    """
    Image = _pillow()
    from PIL import ImageOps

    content = io.BytesIO(path.read_bytes())  # of which nobody can read more than there is, whatever a header says
    try:
        with Image.open(content, formats=FORMATS) as image:
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or np.inf):
                raise ImageError(f"{image.height} x {image.width} pixels are too many")
            upright = ImageOps.exif_transpose(image)
        if mode and upright.mode.startswith("I;16"):  # which Pillow would cut off at 255
            upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
        return upright.convert(mode) if mode else upright
    except MemoryError:
        raise
    except Exception as error:  # what Pillow's readers raise for damaged files has no end
        raise ImageError(f"ImageFolder: {path} cannot be read: {type(error).__name__}: {error}") from error
