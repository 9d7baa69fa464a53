"""Installs mrisynth; `pip install -e ".[test]"` adds what its tests need."""

import pathlib
import re

import setuptools

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "mrisynth" / "__init__.py").read_text()).group(1)
# Each release needs its own TensorFlow or a newer one, and pip upgrades TensorFlow to it unless told which:
# beside TensorFlow 2.15 install [addons,serving] together.
SERVING = ["tensorflow-serving-api>=2.15", "grpcio>=1.60"]
# The first reads, and holds the program of its name, for Linux, macOS and Windows; the second writes.
DICOM = ["dcm2niix>=1.0.20220715", "pydicom>=3.0"]
# Beside TensorFlow 2.15 pip takes one below 1.19, as later ones need a newer ml_dtypes, which 1.19.0 forgot.
ONNX = ["onnx>=1.16,!=1.19.0"]
# What reads in tests what mrisynth writes.
READERS = [
    "onnxruntime>=1.16",
    "openvino>=2024.0",
    "bids-validator-deno>=3.0.2",
    "dicom3tools>=20260927; platform_machine != 'aarch64'",
]

# Folders of the repository that a wheel holds inside of the package, where mrisynth.cli.shipped finds them.
# Of models only those that are named here go into it; what else lies there may be of patients.
SHIPPED = {
    "flags": ["*.flags"],
    "saved_models": ["head_phantom/**/*"],
}

PROGRAMS = {
    "train": "mrisynth.main",
    "prepare": "mrisynth.cli.prepare",
    "evaluate": "mrisynth.cli.evaluate",
    "export": "mrisynth.cli.export",
    "generate": "mrisynth.cli.generate",
    "query": "mrisynth.cli.query",
    "benchmark": "mrisynth.cli.benchmark",
    "compare": "mrisynth.cli.compare",
}

setuptools.setup(
    name="mrisynth",
    version=VERSION,
    description="MR images from a progressive GAN with self-attention, meant to be non-confidential and "
    "tested for it",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    packages=[
        *setuptools.find_packages(include=["mrisynth", "mrisynth.*"]),
        *(f"mrisynth.shipped.{folder}" for folder in SHIPPED),
    ],
    package_dir={f"mrisynth.shipped.{folder}": folder for folder in SHIPPED},
    package_data={
        "mrisynth.report": ["report.html.jinja"],
        "mrisynth.export": ["page/*", "page/onnxruntime-web/*"],
        **{f"mrisynth.shipped.{folder}": files for folder, files in SHIPPED.items()},
    },
    entry_points={
        "console_scripts": [f"mrisynth-{name} = {module}:main" for name, module in PROGRAMS.items()]
    },
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
        "pillow>=10.1",
        "jinja2>=3.1",
    ],
    extras_require={
        "test": [
            "pytest>=8.0",
            "ruff==0.17.6",
            *READERS,
            *ONNX,
            *DICOM,
            *SERVING,
        ],
        "dicom": DICOM,
        "onnx": ONNX,
        "serving": SERVING,
        "gpu": ["tensorflow[and-cuda]>=2.15,<3"],
        "addons": ["tensorflow==2.15.*", "tensorflow-addons==0.23.*"],
    },
)
