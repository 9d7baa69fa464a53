"""An export as something that images are drawn from, by nothing but its signatures."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth.errors import UserError
from mrisynth.export.model_card import JSON_FILE, read_card

UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    RuntimeError,
    LookupError,
    AttributeError,
    tf.errors.OpError,
)
"""What reading a SavedModel that is not ours can raise."""


@dataclasses.dataclass(frozen=True)
class ServedGenerator:
    """A generator that mrisynth exported.

    Attributes:
        name: Of the model, NAME.
        version: VERSION; empty if its folder is not named by a number.
        checksum: SHA-256 of its graph and its weights, hexadecimal.
        resolution: Pixels along an edge.
        latent_size: Length of a latent.
        card: Its model card; None if it has none.
        generate: Its signature from seed, count and truncation to images.
        serve: Its signature from latents to images.
    """

    name: str
    version: str
    checksum: str
    resolution: int
    latent_size: int
    card: dict[str, Any] | None
    generate: Callable[..., dict[str, tf.Tensor]]
    serve: Callable[..., dict[str, tf.Tensor]]

    def draw(self, seed: int, count: int, truncation: float = 1.0) -> NDArray[np.float32]:
        """The images of the seeds seed, seed + 1, ..., [count, r, r] in [-1, 1].

        Raises:
            UserError: If a pixel is not finite.
        """
        images = self.generate(
            seed=tf.constant(seed, tf.int64),
            count=tf.constant(count, tf.int32),
            truncation=tf.constant(truncation, tf.float32),
        )["images"]
        return self._checked(images)

    def images(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """The images of latents [N, latent_size], [N, r, r] in [-1, 1]; raises as `draw`."""
        return self._checked(self.serve(latents=tf.constant(latents))["images"])

    def _checked(self, images: tf.Tensor) -> NDArray[np.float32]:
        values = images.numpy()[..., 0]
        if not np.isfinite(values).all():
            raise UserError(
                f"--saved_model: {self.name} gives images with pixels that are not finite; export an earlier "
                "checkpoint or train it again"
            )
        return values


def open_generator(path: pathlib.Path) -> ServedGenerator:
    """Opens an export.

    Args:
        path: NAME or NAME/VERSION; of NAME the newest version.

    Returns:
        The generator.

    Raises:
        UserError: If it is no SavedModel, or not one of ours.
    """
    folder = version_folder(path)
    try:
        loaded = tf.saved_model.load(str(folder))
        signatures = {name: loaded.signatures[name] for name in ("generate", "serving_default")}
        shape = signatures["generate"].structured_outputs["images"].shape
        latent_size = signatures["serving_default"].structured_input_signature[1]["latents"].shape[1]
        wanted = set(signatures["generate"].structured_input_signature[1]) == {"seed", "count", "truncation"}
        square = shape[1:] == [shape[1], shape[1], 1]
    except UNREADABLE as error:
        raise UserError(_not_ours(path)) from error
    if not wanted or not square or shape[1] is None:
        raise UserError(_not_ours(path))

    def alive(name: str) -> Callable[..., dict[str, tf.Tensor]]:
        # A signature's function does not keep its variables alive.
        return lambda **inputs: loaded.signatures[name](**inputs)

    numbered = folder.name.isdigit()
    return ServedGenerator(
        name=(folder.absolute().parent if numbered else folder.absolute()).name,
        version=folder.name if numbered else "",
        checksum=_checksum(folder),
        resolution=shape[1],
        latent_size=latent_size,
        card=read_card(folder) if (folder / JSON_FILE).is_file() else None,
        generate=alive("generate"),
        serve=alive("serving_default"),
    )


def version_folder(path: pathlib.Path) -> pathlib.Path:
    """The folder of a SavedModel: NAME/VERSION itself, or the newest version of NAME.

    Raises:
        UserError: If there is none.
    """
    if not path.is_dir():
        raise UserError(f"--saved_model={path} is not a folder; it is NAME or NAME/VERSION of an export")
    if (path / "saved_model.pb").is_file():
        return path
    versions = [folder for folder in path.iterdir() if folder.name.isdigit()]
    versions = [folder for folder in versions if (folder / "saved_model.pb").is_file()]
    if not versions:
        raise UserError(f"--saved_model={path} holds no SavedModel; it is NAME or NAME/VERSION of an export")
    return max(versions, key=lambda folder: int(folder.name))


def _not_ours(path: pathlib.Path) -> str:
    return (
        f"--saved_model={path} is not a generator that mrisynth exported: it has no signature generate from "
        "seed, count and truncation to square gray images"
    )


def _checksum(folder: pathlib.Path) -> str:
    digest = hashlib.sha256()
    for path in (folder / "saved_model.pb", *sorted((folder / "variables").glob("*"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()
