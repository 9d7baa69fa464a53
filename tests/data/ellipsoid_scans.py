"""Small heads of known geometry, written as scans."""

import nibabel
import numpy as np

AIR_INTENSITY = 20.0
RADII_MM = np.array([68.0, 88.0, 76.0])


def head_intensity(x, y, z, center=(0.0, 0.0, 0.0)):
    """An ellipsoid whose intensity grows to the right, the front and the top, each at its own rate."""
    x, y, z = x - center[0], y - center[1], z - center[2]
    inside = (x / RADII_MM[0]) ** 2 + (y / RADII_MM[1]) ** 2 + (z / RADII_MM[2]) ** 2 <= 1.0
    return np.where(inside, 600.0 + 2.0 * x + 1.0 * y + 0.5 * z, AIR_INTENSITY)


def coordinates(shape, affine):
    """RAS coordinates [3, I, J, K] in mm of all voxels."""
    indices = np.indices(shape).reshape(3, -1)
    return (affine[:3, :3] @ indices + affine[:3, 3:]).reshape(3, *shape)


def rotation(degrees, axis):
    """A rotation about one of the three axes, 3 by 3."""
    angle = np.deg2rad(degrees)
    matrix = np.eye(3)
    first, second = [other for other in range(3) if other != axis]
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def centered_affine(shape, spacing, turn=None):
    """An affine with the given voxel sizes whose grid is centered on the origin."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn) @ np.diag(spacing)
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) - 1) / 2
    return affine


def head_image(
    shape=(44, 56, 50), spacing=(4.0, 4.0, 4.0), turn=None, center=(0.0, 0.0, 0.0), dtype=np.float32
):
    """A head as a NIfTI image."""
    affine = centered_affine(shape, spacing, turn)
    voxels = head_intensity(*coordinates(shape, affine), center)
    return nibabel.Nifti1Image(voxels.astype(dtype), affine)


def save(image, path):
    """Saves an image and returns its path."""
    nibabel.save(image, path)
    return path


def reoriented(image, codes):
    """The same image, its axes stored in another order and direction."""
    transform = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(codes)
    )
    return image.as_reoriented(transform)


def patch(path, offset, dtype, value):
    """Overwrites a part of a file's header, as odd writers leave it."""
    content = bytearray(path.read_bytes())
    stored = np.array(value, dtype).tobytes()
    content[offset : offset + len(stored)] = stored
    path.write_bytes(content)
    return path


def write_bids(folder, subjects=6, sessions=("",), masks=False):
    """A small BIDS data set; every subject's head is a little elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset_description.json").write_text('{"Name": "test", "BIDSVersion": "1.8.0"}')
    rows = ["participant_id\tage\tsex"]
    for number in range(subjects):
        subject = f"sub-{number:02d}"
        rows.append(f"{subject}\t{40 + number}\t{'FM'[number % 2]}")
        for session in sessions:
            parts = [subject, f"ses-{session}"] if session else [subject]
            place = folder.joinpath(*parts, "anat")
            place.mkdir(parents=True)
            image = head_image(center=(2.0 * number, -number, 0.0))
            nibabel.save(image, place / f"{'_'.join(parts)}_FLAIR.nii.gz")
            if masks:
                _write_mask(folder / "derivatives" / "lesion", parts, image)
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
    return folder


def _write_mask(folder, parts, image):
    """A mask of everything to the right of the midline."""
    place = folder.joinpath(*parts, "anat")
    place.mkdir(parents=True)
    right = coordinates(image.shape, image.affine)[0] > 0
    mask = nibabel.Nifti1Image(right.astype(np.uint8), image.affine)
    nibabel.save(mask, place / f"{'_'.join(parts)}_label-lesion_mask.nii.gz")


SMALL = {"voxel_size": 4.0, "resolution": 64, "holdout": 0.4, "num_workers": 1}
"""Settings under which a head of `head_image` is prepared in a few hundredths of a second."""
