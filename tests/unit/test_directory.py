"""A folder as source: what is taken, what is refused, what is left out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.archive import packing, tree
from skymosaic.archive.directory import Directory
from skymosaic.config import Campaign
from skymosaic.drizzle.expected import of_campaign
from skymosaic.errors import InputError, StoreError
from skymosaic.host import scratch
from tests.small_disk import small_disk
from tests.unit.small_fits import write_drizzled, write_exposure


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two exposures and their drizzled image."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_exposure(folder / "ibxl54aaq_flt.fits")
    write_exposure(folder / "ibxl54bbq_flt.fits")
    write_drizzled(folder / "ibxl54030_drz.fits")
    return folder


def names(source: Directory) -> list[str]:
    return [parcel.name for parcel in source.parcels()]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3000])


def test_all_exposures_and_drizzled_images_sorted(folder) -> None:
    source = Directory(folder)
    assert names(source) == ["ibxl54030_drz", "ibxl54aaq_flt", "ibxl54bbq_flt"]
    assert source.left_out == []


def test_other_files_are_not_looked_at(folder) -> None:
    for name in ("readme.txt", "ibxl54aaq_raw.fits", "ibxl54ccq_flt.fits.part", "x_flt.txt"):
        (folder / name).write_bytes(b"no FITS")
    assert len(names(Directory(folder))) == 3


def test_an_empty_folder(tmp_path) -> None:
    with pytest.raises(InputError, match="no calibrated exposures") as caught:
        Directory(tmp_path).parcels()
    assert str(tmp_path) in str(caught.value)


def test_drizzled_images_alone_are_not_enough(tmp_path) -> None:
    write_drizzled(tmp_path / "ibxl54030_drz.fits")
    with pytest.raises(InputError, match="no calibrated exposures"):
        Directory(tmp_path).parcels()


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_no_folder(tmp_path, kind) -> None:
    path = tmp_path / "data"
    if kind == "file":
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"data is not a folder; source\.path"):
        Directory(path).parcels()


def test_a_truncated_file_is_refused_with_the_remedy(folder) -> None:
    truncate(folder / "ibxl54aaq_flt.fits")
    with pytest.raises(InputError, match=r"ibxl54aaq_flt\.fits is truncated") as caught:
        Directory(folder).parcels()
    assert "source.on_bad_file: leave_out" in str(caught.value)


def _jwst(folder: Path) -> str:
    write_exposure(folder / "bad_flt.fits", primary={"TELESCOP": "JWST"})
    return "TELESCOP"


def _not_fits(folder: Path) -> str:
    (folder / "bad_flt.fits").write_bytes(b"not FITS")
    return "cannot be read as FITS"


def _truncated(folder: Path) -> str:
    truncate(write_exposure(folder / "bad_flt.fits"))
    return "truncated"


def _no_dq(folder: Path) -> str:
    write_exposure(folder / "bad_flt.fits", without=[("DQ", 1)])
    return "DQ,1"


def _doubled(folder: Path) -> str:
    write_exposure(
        folder / "ibxl54bbq_again_flt.fits", primary={"ROOTNAME": "ibxl54bbq", "EXPTIME": 1.0}
    )
    return "are both ibxl54bbq, but they differ"


def _other_filter(folder: Path) -> str:
    write_exposure(folder / "bad_flt.fits", primary={"FILTER": "F110W"})
    return "filter F110W"


def _other_detector(folder: Path) -> str:
    write_exposure(folder / "bad_flt.fits", primary={"DETECTOR": "UVIS"})
    return "detector WFC3/UVIS"


def _fifo(folder: Path) -> str:
    os.mkfifo(folder / "bad_flt.fits")  # nobody ever writes into it
    return "bad_flt.fits is a FIFO"


def _socket(folder: Path) -> str:
    place = Path.cwd()
    os.chdir(folder)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("bad_flt.fits")
    finally:
        os.chdir(place)
    return "bad_flt.fits is a socket"


def _device(folder: Path) -> str:
    (folder / "bad_flt.fits").symlink_to("/dev/zero")
    return "bad_flt.fits is a device"


def _nowhere(folder: Path) -> str:
    (folder / "bad_flt.fits").symlink_to("nothing")
    return "No such file"


def _no_time(folder: Path) -> str:
    write_exposure(folder / "bad_flt.fits", primary={"EXPTIME": 0.0})
    return "EXPTIME is 0 s"


def _no_scale(folder: Path) -> str:
    write_exposure(folder / "bad_flt.fits", science={"IDCSCALE": None, "IDCV2REF": 1.0})
    return "has no IDCSCALE"


def _no_unit(folder: Path) -> str:
    write_exposure(folder / "bad_flt.fits", science={"BUNIT": None})
    return "has no BUNIT"


def _flags_of_another_shape(folder: Path) -> str:
    with fits.open(write_exposure(folder / "bad_flt.fits"), mode="update") as hdus:
        hdus["DQ"].data = np.zeros((16, 8), np.int16)
    return "is 8 x 16 with BITPIX 16"


def _flags_that_are_no_whole_numbers(folder: Path) -> str:
    with fits.open(write_exposure(folder / "bad_flt.fits"), mode="update") as hdus:
        hdus["DQ"].data = np.zeros((16, 16), np.float32)
    return "with BITPIX -32"


def _no_image(folder: Path) -> str:
    with fits.open(write_exposure(folder / "bad_flt.fits"), mode="update") as hdus:
        hdus["SCI"].data = np.zeros((2, 16, 16), np.float32)
    return "is not an image with rows and columns"


BAD = [
    _fifo,
    _socket,
    _device,
    _nowhere,
    _no_time,
    _no_scale,
    _no_unit,
    _flags_of_another_shape,
    _flags_that_are_no_whole_numbers,
    _no_image,
    _jwst,
    _not_fits,
    _truncated,
    _no_dq,
    _doubled,
    _other_filter,
    _other_detector,
]


@pytest.mark.parametrize("make", BAD)
def test_a_bad_file_is_refused(folder, make) -> None:
    reason = make(folder)
    with pytest.raises(InputError, match=reason) as caught:
        Directory(folder).parcels()
    assert "leave_out" in str(caught.value)


@pytest.mark.parametrize("make", BAD)
def test_a_bad_file_can_be_left_out_and_is_told(folder, caplog, make) -> None:
    reason = make(folder)
    source = Directory(folder, leave_out_bad=True)
    taken = names(source)
    assert len(taken) == 3
    assert not any("bad" in name for name in taken)
    [sentence] = source.left_out
    assert reason in sentence
    assert "Left out: " in caplog.text
    assert reason in caplog.text


def test_what_was_left_out_is_told_once_however_often_one_asks(folder) -> None:
    _truncated(folder)
    source = Directory(folder, leave_out_bad=True)
    assert source.parcels() == source.parcels()
    assert len(source.left_out) == 1


@pytest.mark.parametrize(
    ("keyword", "value", "option"),
    [("FILTER", "F110W", r"source\.filter"), ("DETECTOR", "UVIS", r"source\.detector")],
)
@pytest.mark.parametrize("leave_out_bad", [False, True])
def test_equal_numbers_are_the_users_choice(tmp_path, keyword, value, option, leave_out_bad):
    write_exposure(tmp_path / "a_flt.fits")
    write_exposure(tmp_path / "b_flt.fits", primary={keyword: value})
    with pytest.raises(InputError, match="equal number") as caught:
        Directory(tmp_path, leave_out_bad=leave_out_bad).parcels()
    assert value in str(caught.value)
    with pytest.raises(InputError, match=option):
        Directory(tmp_path).parcels()


def test_filter_and_detector_choose(folder) -> None:
    write_exposure(folder / "c_flt.fits", primary={"FILTER": "F110W"})
    write_exposure(folder / "d_flt.fits", primary={"FILTER": "F110W", "DETECTOR": "UVIS"})
    assert names(Directory(folder, filter="F110W", detector="IR")) == ["c_flt"]
    assert names(Directory(folder, detector="UVIS")) == ["d_flt"]
    source = Directory(folder, filter="F160W")
    assert names(source) == ["ibxl54030_drz", "ibxl54aaq_flt", "ibxl54bbq_flt"]
    # What was not asked for is no bad file.
    assert source.left_out == []


def test_a_filter_that_no_file_has(folder) -> None:
    with pytest.raises(InputError, match="no calibrated exposures"):
        Directory(folder, filter="F606W").parcels()


def test_mixed_files_are_allowed_on_demand(folder) -> None:
    _other_filter(folder)
    _other_detector_path = folder / "other_flt.fits"
    write_exposure(_other_detector_path, primary={"DETECTOR": "UVIS"})
    assert len(names(Directory(folder, allow_mixed=True))) == 5


def test_the_exposure_and_the_drizzled_image_of_one_name_are_not_doubles(tmp_path) -> None:
    write_exposure(tmp_path / "ibxl54aaq_flt.fits")
    write_drizzled(tmp_path / "ibxl54aaq_drz.fits")
    assert names(Directory(tmp_path)) == ["ibxl54aaq_drz", "ibxl54aaq_flt"]


def test_identity_changes_when_the_file_does(folder) -> None:
    source = Directory(folder)
    path = folder / "ibxl54aaq_flt.fits"

    def identity() -> dict[str, object]:
        return {parcel.name: dict(parcel.identity) for parcel in source.parcels()}

    before = identity()
    assert identity() == before
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1000))
    touched = identity()
    assert touched["ibxl54aaq_flt"] != before["ibxl54aaq_flt"]
    assert touched["ibxl54bbq_flt"] == before["ibxl54bbq_flt"]
    path.write_bytes(path.read_bytes() + b"\0" * 2880)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert identity()["ibxl54aaq_flt"] != before["ibxl54aaq_flt"]


def test_rootname_decides_the_stored_name(tmp_path) -> None:
    data, into = tmp_path / "data", tmp_path / "into"
    data.mkdir()
    into.mkdir()
    path = write_exposure(data / "IRG102_icwz15e7q_flt.fits", primary={"ROOTNAME": "ib6o21qmq"})
    source = Directory(data)
    [parcel] = source.parcels()
    assert parcel.name == "ib6o21qmq_flt"
    assert source.fetch(parcel, into, tmp_path / "log") == 0
    assert [found.name for found in into.iterdir()] == ["ib6o21qmq_flt.fits"]
    assert (into / "ib6o21qmq_flt.fits").read_bytes() == path.read_bytes()


def test_a_file_that_went_away_is_named(folder, tmp_path) -> None:
    source = Directory(folder)
    parcel = source.parcels()[1]
    (folder / "ibxl54aaq_flt.fits").unlink()
    with pytest.raises(InputError, match=r"ibxl54aaq_flt\.fits can no longer be read"):
        source.fetch(parcel, tmp_path, tmp_path / "log")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("u40x010hm_c0m.fits", "wfpc2_to_flt('u40x010hm_c0m.fits')"),
        ("n4k101abq_cal.fits", ""),
        ("ibxl54ccq_raw.fits", ""),
        ("ibxl54ccq_flt.fits.fz", "unpack"),
        ("ibxl54ccq_raw.fits.gz", ""),
        ("u40x0101t.c0h", ""),
    ],
)
def test_what_looks_like_an_exposure_is_not_passed_over_in_silence(
    folder, caplog, name, remedy
) -> None:
    (folder / name).write_bytes(b"")
    source = Directory(folder)
    assert len(names(source)) == 3
    [line] = source.left_out
    assert name in line and remedy in line
    assert name in caplog.text


def test_other_products_of_exposures_that_are_taken_are_no_loss(folder) -> None:
    for suffix in ("raw", "ima", "spt"):
        (folder / f"ibxl54aaq_{suffix}.fits").write_bytes(b"")
    source = Directory(folder)
    names(source)
    assert source.left_out == []


def test_a_folder_of_others_alone_names_them(tmp_path) -> None:
    (tmp_path / "u40x010hm_c0m.fits").write_bytes(b"")
    with pytest.raises(InputError, match=r"no calibrated exposures.*u40x010hm_c0m\.fits"):
        Directory(tmp_path).parcels()


def test_a_spectrum_is_refused_or_left_out_or_not_wanted(folder) -> None:
    write_exposure(folder / "ibxl54ccq_flt.fits", primary={"FILTER": "G141"})
    with pytest.raises(InputError, match=r"ibxl54ccq_flt\.fits.*G141.*on_bad_file: leave_out"):
        Directory(folder).parcels()
    source = Directory(folder, leave_out_bad=True)
    assert len(names(source)) == 3
    assert "G141" in source.left_out[0]
    source = Directory(folder, filter="F160W")
    assert len(names(source)) == 3
    assert source.left_out == []


def _pack(path: Path, how: str) -> Path:
    """Replace a file by a packed one."""
    packed = path.with_name(f"{path.name}.{how}")
    if how == "zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, path.name)
    else:
        module = {"gz": gzip, "bz2": bz2, "xz": lzma}[how]
        with module.open(packed, "wb") as file:
            file.write(path.read_bytes())
    path.unlink()
    return packed


@pytest.mark.parametrize("how", ["gz", "bz2", "xz", "zip"])
def test_a_packed_file_is_taken_as_the_plain_one(folder, tmp_path, how) -> None:
    plain = folder / "ibxl54bbq_flt.fits"
    content = plain.read_bytes()
    _pack(plain, how)
    source = Directory(folder)
    assert names(source) == ["ibxl54030_drz", "ibxl54aaq_flt", "ibxl54bbq_flt"]
    assert source.left_out == []
    source.fetch(source.parcels()[2], tmp_path, tmp_path / "log")
    assert (tmp_path / "ibxl54bbq_flt.fits").read_bytes() == content


def test_a_zip_may_hold_a_folder_and_files_beside_the_exposure(folder, tmp_path) -> None:
    plain = folder / "ibxl54bbq_flt.fits"
    content = plain.read_bytes()
    with zipfile.ZipFile(folder / f"{plain.name}.zip", "w") as archive:
        archive.mkdir("HST")
        archive.writestr("README.txt", "from the archive")
        archive.writestr("__MACOSX/HST/._ibxl54bbq_flt.fits", "what macOS knows of it")
        archive.writestr("HST/ibxl54bbq_jit.fits", "jitter")
        archive.write(plain, f"HST/{plain.name}")
    plain.unlink()
    source = Directory(folder)
    assert names(source) == ["ibxl54030_drz", "ibxl54aaq_flt", "ibxl54bbq_flt"]
    source.fetch(source.parcels()[2], tmp_path, tmp_path / "log")
    assert (tmp_path / "ibxl54bbq_flt.fits").read_bytes() == content


@pytest.mark.parametrize("inside", [["a_flt.fits", "b_flt.fits"], ["README", "notes"], []])
def test_a_zip_without_just_one_exposure_is_refused_with_what_it_holds(folder, inside) -> None:
    path = folder / "ibxl54bbq_flt.fits.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("HST")
        for name in inside:
            archive.writestr(name, "x")
    (folder / "ibxl54bbq_flt.fits").unlink()
    with pytest.raises(InputError, match=f"{', '.join(inside) or 'nothing'}, where one") as caught:
        Directory(folder).parcels()
    assert str(path) in str(caught.value) and "unpack it" in str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
def test_what_a_file_holds_tells_whether_it_is_packed(folder, tmp_path, packed) -> None:
    # Some browsers unpack a download and keep its name, or the other way round.
    path = folder / "ibxl54bbq_flt.fits"
    content = path.read_bytes()
    if packed:
        _pack(path, "gz").rename(path)
    else:
        path.rename(f"{path}.gz")
    source = Directory(folder)
    assert names(source) == ["ibxl54030_drz", "ibxl54aaq_flt", "ibxl54bbq_flt"]
    source.fetch(source.parcels()[2], tmp_path, tmp_path / "log")
    assert (tmp_path / "ibxl54bbq_flt.fits").read_bytes() == content


def test_of_a_file_and_its_packed_copy_the_plain_one_is_taken(folder) -> None:
    path = folder / "ibxl54bbq_flt.fits"
    content = path.read_bytes()
    _pack(path, "gz")
    path.write_bytes(content)
    source = Directory(folder)
    assert [p.identity["path"] for p in source.parcels()][2] == str(path)
    [line] = source.left_out
    assert line.endswith("copies of other files: ibxl54bbq_flt.fits.gz (as ibxl54bbq_flt.fits)")
    write_exposure(folder / "new_flt.fits", primary={"ROOTNAME": "ibxl54bbq", "EXPTIME": 9.0})
    (folder / "new_flt.fits").rename(path)
    with pytest.raises(InputError, match=r"flt\.fits\.gz and .*_flt\.fits are both ibxl54bbq"):
        source.parcels()


@pytest.mark.parametrize("how", ["gz", "bz2", "xz", "zip"])
def test_a_damaged_packed_file_is_refused_by_name(folder, how) -> None:
    truncate_by_half(_pack(folder / "ibxl54bbq_flt.fits", how))
    with pytest.raises(InputError, match=rf"{folder}/ibxl54bbq_flt\.fits\.{how} cannot be unp"):
        Directory(folder).parcels()
    source = Directory(folder, leave_out_bad=True)
    assert names(source) == ["ibxl54030_drz", "ibxl54aaq_flt"]
    assert len(source.left_out) == 1


def test_a_packed_file_that_is_no_exposure_is_named_as_it_is(folder) -> None:
    path = write_exposure(folder / "ibxl54ccq_flt.fits", without=[("DQ", 1)])
    packed = _pack(path, "gz")
    with pytest.raises(InputError, match="has no DQ,1 extension") as caught:
        Directory(folder).parcels()
    assert str(caught.value).startswith(f"{packed} has no DQ,1")


def test_a_full_disk_is_no_fault_of_a_packed_file(folder, tmp_path, monkeypatch) -> None:
    _pack(folder / "ibxl54bbq_flt.fits", "gz")
    source = Directory(folder, leave_out_bad=True)
    with small_disk(tmp_path / "disk", "12k") as disk:
        monkeypatch.setenv(scratch.BASE, str(disk))
        with pytest.raises(StoreError, match=r"no space left for the unpacked .*TMPDIR"):
            source.parcels()
    assert source.left_out == []


def test_a_full_disk_is_no_fault_of_a_packed_copy(folder, tmp_path, monkeypatch) -> None:
    """One of the two can be unpacked and looked at; to compare them, there is no room."""
    plain = folder / "ibxl54bbq_flt.fits"
    size = plain.stat().st_size
    (folder / "again").mkdir()
    _pack(Path(shutil.copy(plain, folder / "again")), "bz2")
    _pack(plain, "gz")
    source = Directory(folder, leave_out_bad=True)
    with small_disk(tmp_path / "disk", f"{size * 3 // 2048}k") as disk:
        monkeypatch.setenv(scratch.BASE, str(disk))
        with pytest.raises(StoreError, match=r"no space left for the unpacked .*TMPDIR"):
            source.parcels()
    assert source.left_out == []
    monkeypatch.undo()
    source.parcels()
    assert "copies of other files" in source.left_out[0]


def test_what_unpacks_without_end_is_refused(folder, monkeypatch) -> None:
    monkeypatch.setattr(packing, "MOST_BYTES", 10_000)
    _pack(folder / "ibxl54bbq_flt.fits", "gz")
    with pytest.raises(InputError, match="unpacks to more than"):
        Directory(folder).parcels()


@pytest.mark.parametrize(("flag", "packing"), [(1, 8), (0, 99)], ids=["password", "unknown"])
def test_a_zip_that_cannot_be_opened_is_refused_by_name(folder, flag, packing) -> None:
    path = _pack(folder / "ibxl54bbq_flt.fits", "zip")
    content = bytearray(path.read_bytes())
    central = content.find(b"PK\x01\x02")
    for place, start in ((6, 8), (central + 8, central + 10)):  # flags and packing, of each record
        content[place] |= flag
        content[start] = packing
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{path.name} cannot be unpacked .*(password|supported)"):
        Directory(folder).parcels()
    assert path.name in " ".join(_left_out(folder))


def _left_out(folder: Path) -> list[str]:
    source = Directory(folder, leave_out_bad=True)
    source.parcels()
    return source.left_out


def truncate_by_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_corrected_exposures_are_taken_rather_than_others(folder) -> None:
    write_exposure(folder / "ibxl54bbq_flc.fits")
    write_drizzled(folder / "ibxl54030_drc.fits")
    source = Directory(folder)
    assert names(source) == ["ibxl54030_drc", "ibxl54aaq_flt", "ibxl54bbq_flc"]
    [line] = source.left_out
    assert "ibxl54bbq_flt.fits" in line and "ibxl54030_drz.fits" in line


@pytest.fixture
def download(folder, tmp_path) -> Path:
    """The same files as astroquery leaves them: an exposure lies under its association, too."""
    root = tmp_path / "mine"
    for observation, *files in (
        ("ibxl54030", "ibxl54030_drz.fits", "ibxl54aaq_flt.fits"),
        ("ibxl54aaq", "ibxl54aaq_flt.fits"),
        ("ibxl54bbq", "ibxl54bbq_flt.fits"),
    ):
        into = root / "mastDownload" / "HST" / observation
        into.mkdir(parents=True)
        for name in files:
            shutil.copyfile(folder / name, into / name)
    return root


def test_folders_are_looked_through(download) -> None:
    source = Directory(download)
    assert names(source) == ["ibxl54030_drz", "ibxl54aaq_flt", "ibxl54bbq_flt"]
    [line] = source.left_out
    assert "HST/ibxl54aaq/ibxl54aaq_flt.fits (as mastDownload/HST/ibxl54030/ibxl54aaq" in line


def test_files_of_one_name_that_differ_are_refused_with_both_places(download) -> None:
    path = download / "mastDownload" / "HST" / "ibxl54aaq" / "ibxl54aaq_flt.fits"
    with fits.open(path, mode="update") as hdus:
        hdus["SCI"].data += 1
    with pytest.raises(InputError, match=r"are both ibxl54aaq, but they differ") as caught:
        Directory(download).parcels()
    assert str(path) in str(caught.value) and "HST/ibxl54030/ibxl54aaq" in str(caught.value)
    assert len(names(Directory(download, leave_out_bad=True))) == 3


def test_links_in_a_circle_are_looked_through_once(download) -> None:
    (download / "again").symlink_to(download)
    (download / "itself").symlink_to(download / "itself")
    (download / "mastDownload" / "other").symlink_to(download / "mastDownload" / "HST")
    source = Directory(download)
    assert len(names(source)) == 3
    assert len(source.left_out) == 1


def test_our_own_copies_and_hidden_folders_are_not_looked_through(folder) -> None:
    for name in ("store/field/pristine", "store/field/aligned", ".snapshot/old", "skymosaic-0-run"):
        (folder / name).mkdir(parents=True)
        write_exposure(folder / name / "ibxl54aaq_flt.fits", primary={"EXPTIME": 1.0})
    (folder / "store" / "field" / "manifests").mkdir()
    source = Directory(folder)
    assert len(names(source)) == 3
    assert source.left_out == []
    # Who asks for them gets them.
    assert names(Directory(folder / "store" / "field" / "aligned")) == ["ibxl54aaq_flt"]


def test_too_large_a_tree_is_refused(download, monkeypatch) -> None:
    monkeypatch.setattr(tree, "MOST_ENTRIES", 5)
    with pytest.raises(InputError, match=r"more than 5 files and folders; set source\.path"):
        Directory(download).parcels()
    monkeypatch.undo()
    monkeypatch.setattr(tree, "DEEPEST", 2)
    with pytest.raises(InputError, match=r"more than 2 deep, such as .*HST/ibxl54030"):
        Directory(download).parcels()


def test_a_pipe_is_not_waited_for(folder) -> None:
    os.mkfifo(folder / "ibxl54ccq_flt.fits")
    with pytest.raises(InputError, match=r"ibxl54ccq_flt\.fits is a FIFO"):
        Directory(folder).parcels()


def test_what_is_projected_counts_the_files_of_all_folders(download) -> None:
    source = {"kind": "directory", "path": str(download)}
    campaign = Campaign.model_validate({"campaign": {"name": "field"}, "source": source})
    bare = of_campaign(campaign).work
    assert bare.chips == 2 * 3 and bare.input_pixels > 0
    _pack(download / "mastDownload" / "HST" / "ibxl54bbq" / "ibxl54bbq_flt.fits", "gz")
    assert of_campaign(campaign).work.chips == 2 * 3
