"""Pictures in folders, with Pillow (the extra ``images``)."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minidnn.checks import positive_integer
from minidnn.data.checksums import of_files
from minidnn.data.datasets import ArrayDataset, Change, Dataset
from minidnn.data.meaning import Meaning
from minidnn.data.types import Bytes, Floats32, Indices
from minidnn.pipeline import gather, gather_labels

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""The formats that Pillow may detect. It knows more, but some are poorly maintained, and one runs a PostScript
interpreter."""


class ImageError(ValueError):
    """A picture that cannot be read; the message names the file and the fault."""


class ImageFolder(Dataset):
    """Pictures in one folder per class, ``FOLDER/CLASS/.../NAME.png``, decoded when a batch needs them.

    Only the file names are kept, so the pictures may exceed memory; `load` decodes all of them into memory. Examples
    are in alphabetical order of their paths; hidden files and files without a picture's suffix are ignored.

    16-bit grey pictures are scaled to 8 bits; 32-bit and floating-point pictures, whose range is unknown, are refused.

    Args:
        classes: the names of the labels 0, 1, ..., such as ``train.classes``: a folder with another name is an error, a
            missing folder has no examples. None: the folder names, in alphabetical order.
        image_shape: (h, w) for grey or (h, w, 3) for RGB; pictures of another size are resized (bilinear, antialiased),
            pictures of another mode converted, without their transparency. None: the shape of the first picture; a
            picture of another size is an error.

    test = data.ImageFolder("test", classes=train.classes, image_shape=train.image_shape)

    Attributes:
        paths: of the examples.
        image_shape: (h, w) or (h, w, 3).

    Raises:
        ImportError: Pillow is missing; names the extra.
        ValueError: a class without a picture, no class at all, or another image_shape.
        ImageError: the first picture cannot be read. For the others `gather` raises it.
        OSError: the folder cannot be read.
    """

    slow = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        image_shape: tuple[int, ...] | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        _pillow()
        self.folder = Path(folder)
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != ".")
        found = {name: pictures_in(self.folder / name) for name in names}
        if not names or not all(found.values()):
            empty = [self.folder / name for name in names if not found[name]]
            wrong = empty[0] if empty else "no folder of a class"
            raise ValueError(f"ImageFolder: {folder} must have a folder with pictures for each class, not {wrong}")
        self.classes = tuple(names if classes is None else classes)
        if new := sorted(set(names) - set(self.classes)):
            shown = ", ".join(map(repr, self.classes[:20]))
            raise ValueError(f"ImageFolder: {folder} has a folder {new[0]!r}, must have those of the classes {shown}")
        self.paths = [path for name in self.classes for path in found.get(name, ())]
        self.y = np.repeat(np.arange(len(self.classes)), [len(found.get(name, ())) for name in self.classes])
        self.resized = image_shape is not None
        self.image_shape = _checked(shape_of(self.paths[0]) if image_shape is None else image_shape)
        self._remedy = "" if image_shape else f"; image_shape={self.image_shape} resizes pictures"
        self.meaning = Meaning(
            "classification",
            classes=self.classes,
            image_shape=self.image_shape,
            resized=self.resized,
            from_bytes=True,
        )

    def gather(self, order: Indices, change: Change | None = None) -> Floats32:
        x = gather(self._decoded(order), np.arange(len(order)))
        return change(x) if change else x

    def load(self) -> ArrayDataset:
        """All pictures, decoded to uint8 in memory.

        Raises:
            ImageError: a picture cannot be read, or has another size.
        """
        x = self._decoded(np.arange(len(self)))
        loaded = ArrayDataset(x.reshape(len(x), *self.image_shape), self.y, self.classes)
        loaded.meaning = self.meaning
        return loaded

    def checksums(self) -> list[int]:
        names = "\n".join(f"{path.relative_to(self.folder)} {path.stat().st_size}" for path in self.paths)
        texts = (names.encode(errors="surrogateescape"), repr(self.image_shape).encode())
        return [*map(zlib.crc32, texts), of_files(self.paths)]

    def _decoded(self, order: Indices) -> Bytes:
        gather_labels(self.y, order)  # refuses what is out of range
        x = np.empty((len(order), int(np.prod(self.image_shape))), np.uint8)
        for row, i in zip(x, order, strict=True):
            row[:] = read_picture(self.paths[i], self.image_shape, self.resized, self._remedy).reshape(-1)
        return x


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError('ImageFolder: needs Pillow; install it with: pip install "minidnn[images]"') from error
    return Image


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder and those within it, in alphabetical order."""
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()
    )


def _checked(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)):
        raise ValueError(f"ImageFolder: image_shape must be (h, w) or (h, w, 3), got {shape}")
    return tuple(positive_integer("ImageFolder", f"image_shape[{i}]", n) for i, n in enumerate(shape))


def shape_of(path: Path) -> tuple[int, ...]:
    """The shape of a picture: (h, w) if it is grey, else (h, w, 3).

    Raises:
        ImageError, OSError: as `read_picture`.
    """
    image = _open(path)
    grey = image.mode in ("1", "L", "LA")
    return (image.height, image.width) if grey else (image.height, image.width, 3)


def read_picture(path: Path, shape: tuple[int, ...], resize: bool, remedy: str = "") -> Bytes:
    """A picture as bytes of this shape, (h, w) or (h, w, 3).

    Args:
        resize: whether a picture of another size is resized or refused.
        remedy: what to do about another size, for the message.

    Raises:
        ImageError: the picture is damaged, of none of `FORMATS`, of another size, has too many pixels, or values of
            unknown range.
        OSError: it cannot be opened.
    """
    image = _open(path).convert("L" if len(shape) == 2 else "RGB")
    h, w = shape[:2]
    if image.size != (w, h):
        if not resize:
            raise ImageError(f"ImageFolder: {path} is {image.height} x {image.width}, must be {h} x {w}{remedy}")
        image = image.resize((w, h), _pillow().Resampling.BILINEAR)
    return np.asarray(image, np.uint8)


def _open(path: Path) -> Any:
    """The picture, decoded, rotated as its EXIF data says, and converted to 8 bits."""
    Image = _pillow()
    from PIL import ImageOps

    content = io.BytesIO(path.read_bytes())  # Pillow cannot read past its end, whatever a header says
    try:
        with Image.open(content, formats=FORMATS) as image:
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or np.inf):
                raise ImageError(f"{image.height} x {image.width} pixels are too many")
            deep = _is_deep(image)
            upright = ImageOps.exif_transpose(image)
        return Image.fromarray(_of_8_bits(np.asarray(upright))) if deep else upright
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many exception types for damaged files
        # Pillow names the object in memory that holds the bytes
        fault = "not a picture in one of the formats " + ", ".join(FORMATS) if "<_io." in str(error) else str(error)
        raise ImageError(f"ImageFolder: {path} cannot be read: {type(error).__name__}: {fault}") from error


def _is_deep(image: Any) -> bool:
    """Whether a picture is grey with 16 bits, as Pillow reads it: mode I;16, or I in some versions of Pillow.

    Raises:
        ImageError: the values have another type; Pillow would clip them at 255.
    """
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return False
    bits = image.tag_v2.get(258, (16,)) if image.format == "TIFF" else (16,)
    if image.mode == "F" or tuple(bits) != (16,) or (image.format == "TIFF" and image.mode == "I"):
        kind = "floats" if image.mode == "F" else "signed integers" if bits[0] == 16 else f"{bits[0]}-bit integers"
        raise ImageError(
            f"its values are {kind}, must be unsigned with 8 or 16 bits; scale them and save the picture again"
        )
    return True


def _of_8_bits(values: Any) -> Bytes:
    """65535 becomes 255, rounded to nearest."""
    return np.asarray((values.astype(np.uint32) * 255 + 32767) // 65535, np.uint8)
