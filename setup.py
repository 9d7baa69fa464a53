"""Installs mrisynth; `pip install -e .[test]` adds what its tests need."""

import pathlib
import re

import setuptools

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "mrisynth" / "__init__.py").read_text()).group(1)
# Each release needs its own TensorFlow or a newer one, and pip upgrades TensorFlow to it unless told which:
# beside TensorFlow 2.15 install [addons,serving] together.
SERVING = ["tensorflow-serving-api>=2.15", "grpcio>=1.60"]

setuptools.setup(
    name="mrisynth",
    version=VERSION,
    description="Synthetic, non-confidential MR images from a progressive GAN with self-attention",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    packages=setuptools.find_packages(include=["mrisynth", "mrisynth.*"]),
    package_data={"mrisynth.report": ["report.html.jinja"]},
    python_requires=">=3.10,<3.14",
    install_requires=[
        "tensorflow>=2.15,<3",
        "keras>=2.15",
        "tensorboard>=2.15",
        "numpy>=1.26",
        "scipy>=1.11",
        "nibabel>=5.2",
        "absl-py>=2.0",
        "tqdm>=4.66",
        "matplotlib>=3.8",
        "pillow>=10.0",
        "jinja2>=3.1",
    ],
    extras_require={
        "test": ["pytest>=8.0", "ruff==0.17.6", *SERVING],
        "serving": SERVING,
        "gpu": ["tensorflow[and-cuda]>=2.15,<3"],
        "addons": ["tensorflow==2.15.*", "tensorflow-addons==0.23.*"],
    },
)
