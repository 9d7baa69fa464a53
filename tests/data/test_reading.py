import gzip

import nibabel
import numpy as np
import pytest
import scipy.io

from mrisynth.data.volumes import load_volume
from mrisynth.errors import UnusableScanError
from tests.data.ellipsoid_scans import head_image, save


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64, ">i2", ">f4"]
)
def test_every_number_type_gives_the_same_volume(dtype, tmp_path):
    image = head_image()
    voxels = np.rint(image.get_fdata() / 4)
    plain = load_volume(
        save(nibabel.Nifti1Image(voxels.astype(np.float32), image.affine), tmp_path / "a.nii"), 4.0
    )
    header = nibabel.Nifti1Header(endianness=np.dtype(dtype).byteorder.replace("|", "<").replace("=", "<"))
    typed = nibabel.Nifti1Image(voxels.astype(dtype), image.affine, header)
    typed.set_data_dtype(dtype)
    np.testing.assert_array_equal(load_volume(save(typed, tmp_path / "b.nii"), 4.0).data, plain.data)


@pytest.mark.parametrize(
    "name", ["a.nii.gz", "a.nii.bz2", "a.img", "a.mgz", "a.mgh", "nifti2.nii", "analyze.img"]
)
def test_every_format_gives_the_same_volume(name, tmp_path):
    image = head_image()
    if name == "analyze.img":  # Analyze knows no orientation: nibabel takes its first axis as pointing left.
        other = nibabel.AnalyzeImage(image.get_fdata(dtype=np.float32)[::-1], None)
        other.header.set_zooms((4.0, 4.0, 4.0))
    elif name == "nifti2.nii":
        other = nibabel.Nifti2Image(image.get_fdata(dtype=np.float32), image.affine)
    elif name.endswith((".mgz", ".mgh")):
        other = nibabel.MGHImage(image.get_fdata(dtype=np.float32), image.affine)
    else:
        other = image
    plain = load_volume(save(image, tmp_path / "plain.nii"), 4.0)
    volume = load_volume(save(other, tmp_path / name), 4.0)
    np.testing.assert_allclose(volume.data, plain.data, atol=1e-5)


def write_minc1(path, image):
    """A MINC 1 file (NetCDF): one variable an axis, the volume stored z, y, x."""
    starts, step = image.affine[:3, 3], image.affine[0, 0]
    voxels = image.get_fdata(dtype=np.float32).transpose(2, 1, 0)
    with scipy.io.netcdf_file(path, "w") as file:
        names = ("zspace", "yspace", "xspace")
        for name, size, start in zip(names, voxels.shape, starts[::-1], strict=True):
            file.createDimension(name, size)
            axis = file.createVariable(name, "d", ())
            axis.spacing = b"regular__"
            axis.start, axis.step = start, step
        for name, value in (("image-min", voxels.min()), ("image-max", voxels.max())):
            file.createVariable(name, "d", ()).data.fill(value)
        stored = file.createVariable("image", "f", names)
        stored[:] = voxels
        stored.signtype = b"signed__"
        stored.valid_range = np.array([voxels.min(), voxels.max()])


def write_minc2(path, image):
    """A MINC 2 file (HDF5), laid out like `write_minc1`'s."""
    h5py = pytest.importorskip("h5py", reason="nibabel reads MINC 2 through h5py")
    starts, step = image.affine[:3, 3], image.affine[0, 0]
    voxels = image.get_fdata(dtype=np.float32).transpose(2, 1, 0)
    with h5py.File(path, "w") as file:
        names = ("zspace", "yspace", "xspace")
        for name, size, start in zip(names, voxels.shape, starts[::-1], strict=True):
            axis = file.create_dataset(f"minc-2.0/dimensions/{name}", data=0)
            axis.attrs.update(start=start, step=step, length=size, spacing=np.bytes_("regular__"))
        group = file.create_group("minc-2.0/image/0")
        stored = group.create_dataset("image", data=voxels)
        stored.attrs.update(
            dimorder=np.bytes_("zspace,yspace,xspace"), valid_range=[float(voxels.min()), float(voxels.max())]
        )
        group.create_dataset("image-min", data=float(voxels.min()))
        group.create_dataset("image-max", data=float(voxels.max()))


@pytest.mark.parametrize("write", [write_minc1, write_minc2])
def test_minc_gives_the_same_volume(write, tmp_path):
    image = head_image()
    write(tmp_path / "head.mnc", image)
    plain = load_volume(save(image, tmp_path / "plain.nii"), 4.0)
    volume = load_volume(tmp_path / "head.mnc", 4.0)
    np.testing.assert_allclose(volume.affine, plain.affine, atol=1e-5)
    np.testing.assert_allclose(volume.data, plain.data, atol=1e-4)


def test_lengths_in_meters_are_understood(tmp_path):
    image = head_image()
    meters = nibabel.Nifti1Image(image.get_fdata(dtype=np.float32), np.diag([1e-3] * 3 + [1]) @ image.affine)
    meters.header.set_xyzt_units("meter")
    volume = load_volume(save(meters, tmp_path / "a.nii"), 4.0)
    assert volume.source_spacing == pytest.approx((4.0, 4.0, 4.0))


def test_one_volume_of_a_time_series_is_taken(tmp_path):
    image = head_image()
    voxels = image.get_fdata(dtype=np.float32)
    series = nibabel.Nifti1Image(np.stack([voxels, voxels[::-1]], axis=-1), image.affine)
    path = save(series, tmp_path / "series.nii.gz")
    first, second = load_volume(path, 4.0), load_volume(path, 4.0, volume_index=1)
    np.testing.assert_array_equal(second.data, first.data[::-1])
    with pytest.raises(UnusableScanError, match="2 volume"):
        load_volume(path, 4.0, volume_index=2)


def _complex(tmp_path):
    return save(nibabel.Nifti1Image(np.ones((9, 9, 9), np.complex64), np.eye(4)), tmp_path / "a.nii")


def _rgb(tmp_path):
    voxels = np.zeros((9, 9, 9), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    return save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "a.nii")


def _vectors(tmp_path):
    image = nibabel.Nifti1Image(np.random.default_rng(0).random((9, 9, 9, 1, 3), np.float32), np.eye(4))
    image.header.set_intent("vector")
    return save(image, tmp_path / "a.nii")


def _five_dimensions(tmp_path):
    return save(nibabel.Nifti1Image(np.ones((9, 9, 9, 2, 2), np.float32), np.eye(4)), tmp_path / "a.nii")


def _surface(tmp_path):
    return save(
        nibabel.Nifti1Image(np.arange(900, dtype=np.float32)[:, None, None], np.eye(4)), tmp_path / "a.nii"
    )


def _zero(tmp_path):
    return save(nibabel.Nifti1Image(np.zeros((9, 9, 9), np.int16), np.eye(4)), tmp_path / "a.nii")


def _not_a_number(tmp_path):
    return save(nibabel.Nifti1Image(np.full((9, 9, 9), np.nan, np.float32), np.eye(4)), tmp_path / "a.nii")


def _absurdly_large(tmp_path):
    voxels = np.arange(729, dtype=np.float32).reshape(9, 9, 9)
    return save(nibabel.Nifti1Image(voxels, np.diag([1e6, 1, 1, 1])), tmp_path / "a.nii")


def _text(tmp_path):
    path = tmp_path / "a.nii"
    path.write_text("no image at all")
    return path


def _zipped_text(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(b"no image at all" * 50))
    return path


def _cut_off(tmp_path):
    path = save(head_image(), tmp_path / "a.nii.gz")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _cut_off_unzipped(tmp_path):
    path = save(head_image(), tmp_path / "a.nii")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _header_without_image(tmp_path):
    path = save(head_image(), tmp_path / "a.img")
    path.unlink()
    return path.with_suffix(".hdr")


def _cifti(tmp_path):
    axes = (
        nibabel.cifti2.ScalarAxis(["one"]),
        nibabel.cifti2.BrainModelAxis.from_mask(np.ones((3, 3, 3), bool), affine=np.eye(4)),
    )
    image = nibabel.Cifti2Image(np.ones((1, 27), np.float32), header=axes)
    return save(image, tmp_path / "a.dscalar.nii")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_complex, "complex"),
        (_rgb, "RGB"),
        (_vectors, "vectors"),
        (_five_dimensions, "dimensions"),
        (_surface, "too thin"),
        (_zero, "all its voxels are 0"),
        (_not_a_number, "none of its voxels is a number"),
        (_absurdly_large, "voxel sizes"),
        (_text, "not an image"),
        (_zipped_text, "not an image|cannot be opened"),
        (_cut_off, "cut off"),
        (_cut_off_unzipped, "cut off"),
        (_header_without_image, "cut off|cannot be opened"),
        (_cifti, "CIFTI"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(make, reason, tmp_path):
    with pytest.raises(UnusableScanError, match=reason):
        load_volume(make(tmp_path))
