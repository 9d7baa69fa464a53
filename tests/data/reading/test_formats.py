import gzip

import nibabel
import numpy as np
import pytest
import scipy.io

from mrisynth.data.reading.formats import read_scan
from mrisynth.data.reading.volumes import load_volume
from mrisynth.errors import UnusableScanError
from tests.data.ellipsoid_scans import head_image, patch, save


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


def write_minc2(path, image, times=0, time_axis=0):
    """A MINC 2 file (HDF5), laid out like `write_minc1`'s; each time point is brighter by 1."""
    h5py = pytest.importorskip("h5py", reason="nibabel reads MINC 2 through h5py")
    starts, step = image.affine[:3, 3], image.affine[0, 0]
    voxels = image.get_fdata(dtype=np.float32).transpose(2, 1, 0)
    names, starts, steps = ["zspace", "yspace", "xspace"], [*starts[::-1]], [step] * 3
    if times:
        voxels = np.stack([voxels + time for time in range(times)], axis=time_axis)
        for values, value in ((names, "time"), (starts, 0.0), (steps, 2.0)):
            values.insert(time_axis, value)
    with h5py.File(path, "w") as file:
        for name, size, start, step in zip(names, voxels.shape, starts, steps, strict=True):
            axis = file.create_dataset(f"minc-2.0/dimensions/{name}", data=0)
            axis.attrs.update(start=start, step=step, length=size, spacing=np.bytes_("regular__"))
        group = file.create_group("minc-2.0/image/0")
        stored = group.create_dataset("image", data=voxels)
        limits = [float(voxels.min()), float(voxels.max())]
        stored.attrs.update(dimorder=np.bytes_(",".join(names)), valid_range=limits)
        group.create_dataset("image-min", data=limits[0])
        group.create_dataset("image-max", data=limits[1])


@pytest.mark.parametrize("write", [write_minc1, write_minc2])
def test_minc_gives_the_same_volume(write, tmp_path):
    image = head_image()
    write(tmp_path / "head.mnc", image)
    plain = load_volume(save(image, tmp_path / "plain.nii"), 4.0)
    volume = load_volume(tmp_path / "head.mnc", 4.0)
    np.testing.assert_allclose(volume.affine, plain.affine, atol=1e-5)
    np.testing.assert_allclose(volume.data, plain.data, atol=1e-4)


@pytest.mark.parametrize("time_axis", range(4))
def test_the_time_axis_of_minc_is_known_by_its_name(time_axis, tmp_path):
    image = head_image()
    write_minc2(tmp_path / "plain.mnc", image)
    write_minc2(tmp_path / "series.mnc", image, 3, time_axis)
    plain = read_scan(tmp_path / "plain.mnc")
    for index in range(3):
        volume = read_scan(tmp_path / "series.mnc", index)
        np.testing.assert_allclose(volume.voxels, plain.voxels + index, atol=1e-3)
        np.testing.assert_array_equal(volume.affine, plain.affine)
        assert volume.warnings == (f"time series: volume {index} of 3 was taken (--volume_index)",)


def test_minc_without_a_voxel_size_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    write_minc2(tmp_path / "a.mnc", head_image())
    with h5py.File(tmp_path / "a.mnc", "a") as file:
        del file["minc-2.0/dimensions/yspace"].attrs["step"]
    with pytest.raises(UnusableScanError, match="no step along yspace"):
        read_scan(tmp_path / "a.mnc")


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


def _stack(shape, image_class=nibabel.Nifti1Image):
    def make(tmp_path):
        voxels = np.random.default_rng(0).random(shape, np.float32)
        image = image_class(voxels, np.diag([4.0, 4.0, 4.0, 1.0]))
        return save(image, tmp_path / f"a{image_class.files_types[0][1]}")

    return make


def _of_intent(code):
    def make(tmp_path):
        image = head_image()
        image.header["intent_code"] = code
        return save(image, tmp_path / "a.nii")

    return make


def _huge(tmp_path):
    return patch(save(head_image(), tmp_path / "a.nii"), 42, "<i2", [32767] * 3)


def _no_voxel_size(tmp_path):
    image = nibabel.AnalyzeImage(head_image().get_fdata(dtype=np.float32), None)
    return patch(save(image, tmp_path / "a.img").with_suffix(".hdr"), 80, "<f4", 0.0)


def _gzip_named_nii(tmp_path):
    path = tmp_path / "a.nii"
    path.write_bytes(save(head_image(), tmp_path / "b.nii.gz").read_bytes())
    return path


def _nii_named_gzip(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(save(head_image(), tmp_path / "b.nii").read_bytes())
    return path


def _empty(tmp_path):
    path = tmp_path / "a.nii"
    path.touch()
    return path


def _folder(tmp_path):
    (tmp_path / "a.nii").mkdir()
    return tmp_path / "a.nii"


def _damaged(offset, dtype, value):
    return lambda tmp_path: patch(save(head_image(), tmp_path / "a.nii"), offset, dtype, value)


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


def _damaged_inside(name):
    def make(tmp_path):
        # Unlike a header's, a bit of stored voxels that turns gives another scan, and no error of its own.
        path = tmp_path / name
        image = head_image() if name.endswith("nii.gz") else nibabel.MGHImage(*_voxels_and_affine())
        save(image, path)
        content = bytearray(gzip.compress(gzip.decompress(path.read_bytes()), 0))
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        return path

    return make


def _voxels_and_affine():
    image = head_image()
    return image.get_fdata(dtype=np.float32), image.affine


def _followed_by_garbage(tmp_path):
    path = save(head_image(), tmp_path / "a.nii.gz")
    path.write_bytes(path.read_bytes() + b"garbage")
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
        (_stack((40, 50, 1, 24)), "24 images of 40 x 50 x 1 voxels: slices in the fourth dimension"),
        (_stack((1, 40, 50, 24)), "slices in the fourth dimension"),
        (_stack((40, 50, 1, 24), nibabel.MGHImage), "slices in the fourth dimension"),
        (_of_intent(3), r"statistics \(t test\)"),
        (_of_intent(1002), "labels"),
        (_of_intent(1007), "vectors"),
        (_huge, "claims 32767 x 32767 x 32767 voxels"),
        (_no_voxel_size, "no voxel size"),
        (_gzip_named_nii, r"compressed \(.gz\).*rename it to a.nii.gz"),
        (_nii_named_gzip, "a.nii.gz is not a gzip file"),
        (_empty, "Empty file"),
        (_folder, "cannot be opened"),
        (_damaged(70, "<i2", 17), "data code 17"),
        (_damaged(108, "<f4", 348.0), "vox offset 348 too low"),
        (_damaged(108, "<f4", np.nan), "cannot be opened"),
        (_text, "Cannot work out file type"),
        (_zipped_text, "not an image|cannot be opened"),
        (_cut_off, "cut off"),
        (_cut_off_unzipped, "cut off"),
        (_damaged_inside("a.nii.gz"), "damaged.*CRC"),
        (_damaged_inside("a.mgz"), "damaged.*CRC"),
        (_followed_by_garbage, "damaged"),
        (_header_without_image, r"cannot be opened \(.*'a.img'"),
        (_cifti, "CIFTI"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(make, reason, tmp_path):
    with pytest.raises(UnusableScanError, match=reason):
        load_volume(make(tmp_path))


def test_voxels_of_a_file_without_an_offset_begin_behind_its_header(tmp_path):
    path = save(head_image(), tmp_path / "a.nii")
    plain = read_scan(path)
    patched = read_scan(patch(path, 108, "<f4", 0.0))
    np.testing.assert_array_equal(patched.voxels, plain.voxels)
    assert patched.warnings == ()


def test_a_file_that_is_longer_than_its_header_says_is_named(tmp_path):
    path = patch(save(head_image(), tmp_path / "a.nii"), 42, "<i2", 43)
    (warning,) = read_scan(path).warnings
    assert warning.startswith("file too long: it has 11200 bytes more")  # 56 x 50 x 4 bytes


@pytest.mark.parametrize(("flag", "warned"), [(1, False), (0, True)])
def test_mgh_says_whether_it_knows_its_orientation(flag, warned, tmp_path):
    image = nibabel.MGHImage(head_image().get_fdata(dtype=np.float32), head_image().affine)
    path = patch(save(image, tmp_path / "a.mgh"), 28, ">i2", flag)
    warnings = read_scan(path).warnings
    assert [warning.split(":")[0] for warning in warnings] == ["orientation unknown"] * warned


def test_analyze_knows_its_orientation_from_a_mat_file_only(tmp_path):
    image = head_image()
    plain = nibabel.AnalyzeImage(image.get_fdata(dtype=np.float32), None)
    assert read_scan(save(plain, tmp_path / "a.img")).warnings[0].startswith("orientation unknown: ")
    spm = nibabel.Spm2AnalyzeImage(image.get_fdata(dtype=np.float32), image.affine)
    stored = read_scan(save(spm, tmp_path / "b.img"))
    np.testing.assert_allclose(stored.affine, image.affine, atol=1e-5)
    assert stored.warnings == ()


@pytest.mark.parametrize(
    ("dtype", "slope", "wraps_at"),
    [("int16", 1, 2**16), ("int8", 1, 2**8), ("float32", 1, 2**16), ("uint16", 1, 0), ("int16", 2, 0)],
)
def test_signed_numbers_without_a_slope_may_have_run_over(dtype, slope, wraps_at, tmp_path):
    image = nibabel.Nifti1Image((head_image().get_fdata() / 8).astype(dtype), head_image().affine)
    image.header.set_slope_inter(slope, 0)
    assert read_scan(save(image, tmp_path / "a.nii")).wraps_at == wraps_at
