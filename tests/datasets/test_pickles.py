"""Files that strangers made: read where they hold arrays, refused where they hold code."""

import argparse
import bz2
import collections
import datetime
import gzip
import lzma
import os
import pathlib
import pickle
import types
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch

from lddu_pipe.datasets.pickles import read_untrusted
from lddu_pipe.errors import UnusableInputError

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


class RunsCode:
    """A pickle of this runs a command when it is loaded."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


def write(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_in_plain_containers_are_read_in_every_protocol(tmp_path, protocol):
    content = {
        "train": {
            "text": VALUES,
            "swapped": VALUES.astype(">f8"),
            "columns": np.asfortranarray(VALUES),
            "flags": np.array([True, False]),
            "names": np.array(["a", "bé"]),
            "id": np.array(["a$_$1", None, [VALUES[0]]], dtype=object),
            "one": np.float64(2.5),
            "plain": [1, "é", b"\xff\x00", None, (2.0, [3])],
        }
    }
    found = read_untrusted(write(tmp_path / "a.pkl", content, protocol))["train"]
    for name in ("text", "swapped", "columns", "flags", "names"):
        np.testing.assert_array_equal(found[name], content["train"][name])
        # The byte order may become this machine's, as with pickle itself.
        kinds = [array.dtype.newbyteorder("=") for array in (found[name], content["train"][name])]
        assert kinds[0] == kinds[1]
    assert list(found["id"][:2]) == ["a$_$1", None]
    np.testing.assert_array_equal(found["id"][2][0], VALUES[0])
    assert found["one"] == 2.5
    assert found["plain"] == content["train"]["plain"]


def test_a_file_of_numpy_1_is_read(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(VALUES, 2).replace(b"numpy._core", b"numpy.core"))
    np.testing.assert_array_equal(read_untrusted(path), VALUES)


def test_a_file_of_python_2_is_read(tmp_path):
    # What Python 2 wrote for numpy.array([1.5, -2.0]): its bytes are a string of protocol 2.
    raw = np.array([1.5, -2.0]).tobytes()
    state = b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNN"
    state += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10" + raw + b"tb."
    path = tmp_path / "a.pkl"
    path.write_bytes(
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        + state
    )
    np.testing.assert_array_equal(read_untrusted(path), [1.5, -2.0])


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda evil: evil,
        lambda evil: {"train": {"text": VALUES, "id": [evil]}},
        lambda evil: {"train": {"id": np.array([["a", evil]], dtype=object)}},
        lambda evil: np.array([np.array([evil, 1], dtype=object), 1], dtype=object),
    ],
    ids=["bare", "in a list", "in an object array", "in an array in an array"],
)
def test_a_pickle_with_code_is_refused_and_nothing_runs(tmp_path, wrap, protocol):
    marker = tmp_path / "ran"
    path = write(tmp_path / "a.pkl", wrap(RunsCode(marker)), protocol)
    with pytest.raises(UnusableInputError, match=r"holds code.*system.*was refused") as caught:
        read_untrusted(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert not marker.exists()
    pickle.loads(path.read_bytes())  # the trap is real: Python's own reader falls into it
    assert marker.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cbuiltins\neval\n(V1+1\ntR.",
        b"cnumpy\nload\n(V/etc/passwd\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
        b"c_codecs\nencode\n(Vx\nVrot13\ntR.",
        b"ccodecs\ndecode\n.",
        b"P0\n.",
    ],
)
def test_names_that_only_look_harmless_are_refused(tmp_path, program):
    path = tmp_path / "a.pkl"
    path.write_bytes(program)
    with pytest.raises(UnusableInputError, match="holds code"):
        read_untrusted(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x80", b"<html>not found</html>", pickle.dumps(VALUES)[:-20]],
    ids=["empty", "text", "one byte", "a web page", "cut off"],
)
def test_what_is_no_whole_pickle_says_so(tmp_path, content):
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(UnusableInputError, match="is not a whole pickle") as caught:
        read_untrusted(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(UnusableInputError, match="cannot be read: No such file"):
        read_untrusted(tmp_path / "none.pkl")


def test_tensors_and_arrays_of_a_torch_file_come_as_arrays(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.pt"
    torch.save({"train": {"src-text": torch.from_numpy(VALUES), "old": VALUES, "id": ["a"]}}, path)
    found = read_untrusted(path)["train"]
    assert isinstance(found["src-text"], np.ndarray)
    np.testing.assert_array_equal(found["src-text"], VALUES)
    np.testing.assert_array_equal(found["old"], VALUES)
    assert found["id"] == ["a"]


def test_a_torch_file_with_code_is_refused_and_nothing_runs(tmp_path):
    torch = pytest.importorskip("torch")
    marker, path = tmp_path / "ran", tmp_path / "a.pt"
    torch.save({"train": [RunsCode(marker)]}, path)
    with pytest.raises(UnusableInputError, match=r"holds code.*was refused") as caught:
        read_untrusted(path)
    assert "\n" not in str(caught.value)
    assert not marker.exists()


def test_a_torch_file_that_was_cut_off_says_so(tmp_path):
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(1))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UnusableInputError, match="is not a whole torch file") as caught:
        read_untrusted(path)
    assert "\n" not in str(caught.value)


def test_a_kind_of_array_that_would_take_bytes_for_addresses_is_refused(tmp_path):
    class Cleared:
        """Objects, by a type whose flags deny that its elements are objects."""

        def __reduce__(self):
            return np.dtype, ("O8", False, True), (3, "|", None, None, None, -1, -1, 0)

    class Crafted:
        def __reduce__(self):
            address = (0xDEADBEEF).to_bytes(8, "little")
            make, arguments, _ = VALUES.__reduce__()
            return make, arguments, (1, (1,), Cleared(), False, address)

    with pytest.raises(UnusableInputError):
        read_untrusted(write(tmp_path / "a.pkl", {"train": Crafted()}))
    torch = pytest.importorskip("torch")
    torch.save({"train": Crafted()}, tmp_path / "a.pt")
    with pytest.raises(UnusableInputError):
        read_untrusted(tmp_path / "a.pt")


@pytest.mark.parametrize("zipped", [True, False], ids=["since 1.6", "before 1.6"])
def test_torch_files_of_every_age_are_read_and_gated(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    path, marker = tmp_path / "a.pt", tmp_path / "ran"
    ids = np.array(["a", None], dtype=object)
    torch.save(
        {"text": torch.from_numpy(VALUES), "id": ids}, path, _use_new_zipfile_serialization=zipped
    )
    found = read_untrusted(path)
    np.testing.assert_array_equal(found["text"], VALUES)
    assert found["id"].tolist() == ["a", None]
    torch.save(
        {"id": np.array([RunsCode(marker)], dtype=object)},
        path,
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(UnusableInputError, match=r"holds code \(posix.system\)"):
        read_untrusted(path)
    assert not marker.exists()


def test_arrays_of_numpy_1_in_a_torch_file_are_read(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"text": VALUES}, tmp_path / "new.pt")
    with (
        zipfile.ZipFile(tmp_path / "new.pt") as new,
        zipfile.ZipFile(tmp_path / "old.pt", "w") as old,
    ):
        for entry in new.infolist():
            content = new.read(entry)
            if entry.filename.endswith("data.pkl"):
                content = content.replace(b"numpy._core", b"numpy.core")
            old.writestr(entry.filename, content)
    np.testing.assert_array_equal(read_untrusted(tmp_path / "old.pt")["text"], VALUES)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_sets_and_empty_arrays_are_no_code(tmp_path, protocol):
    content = [{3}, frozenset("a"), b"", np.zeros((0, 3), np.float32)]
    found = read_untrusted(write(tmp_path / "a.pkl", content, protocol))
    assert found[:3] == content[:3]
    assert found[3].shape == (0, 3)


def objects():
    """What files of the field hold beside arrays, and what is to come of it."""
    settings = {"max_text_seq_len": 60, "out": pathlib.PurePosixPath("/a/b"), "type": int}
    plain = {"max_text_seq_len": 60, "out": "/a/b", "type": None}
    return [
        (argparse.Namespace(**settings), plain),
        (types.SimpleNamespace(**settings), plain),
        (collections.defaultdict(list, {"a": [1]}), {"a": [1]}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (range(2, 8, 3), [2, 5]),
        (np.ma.masked_array(np.asfortranarray(VALUES), VALUES == 4), [[0, 1, 2], [3, None, 5]]),
        (np.ma.masked_array([1, 2], [False, False]), [1, 2]),
        (pd.Series([1.5, 2], index=[4, 2]), [1.5, 2]),
        (pd.Series([[2, 4, 3], [2, 3]]), [[2, 4, 3], [2, 3]]),
        (pd.Series(["a", None, "é"], dtype=object), ["a", None, "é"]),
        (pd.Series(["x", "a", None, "é"], dtype="str").iloc[1:], ["a", None, "é"]),
    ]


@pytest.mark.parametrize("save", [write, torch.save], ids=["pickle", "torch"])
def test_settings_that_no_features_need_are_passed_over(tmp_path, save):
    unneeded = (torch.device("cpu"), torch.float32, datetime.datetime(2026, 1, 2), 1j)
    content = {"settings": argparse.Namespace(held=unneeded), "train": {"id": ["a"]}}
    path = tmp_path / "a.pt"
    save(path, content) if save is write else save(content, path)
    assert read_untrusted(path)["train"] == {"id": ["a"]}


def as_lists(value):
    """Lists, with None for NaN."""
    if isinstance(value, np.ndarray):
        return [as_lists(item) for item in value]
    return None if isinstance(value, np.floating) and np.isnan(value) else value


@pytest.mark.parametrize("protocol", [*range(pickle.HIGHEST_PROTOCOL + 1), "torch", "old torch"])
def test_objects_that_only_hold_values_are_read_by_stand_ins(tmp_path, protocol):
    given, expected = zip(*objects(), strict=True)
    path = tmp_path / "a.pt"
    if isinstance(protocol, int):
        write(path, {"train": {"text": VALUES}, "held": list(given)}, protocol)
    else:
        torch = pytest.importorskip("torch")
        content = {"train": {"text": torch.from_numpy(VALUES)}, "held": list(given)}
        torch.save(content, path, _use_new_zipfile_serialization=protocol == "torch")
    found = read_untrusted(path)
    np.testing.assert_array_equal(found["train"]["text"], VALUES)
    assert [as_lists(item) for item in found["held"]] == list(expected)


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda evil: argparse.Namespace(a=evil),
        lambda evil: collections.defaultdict(list, {1: evil}),
        lambda evil: pd.Series([evil]),
        lambda evil: pd.Series([1], index=pd.Index([evil], dtype=object)),
    ],
    ids=["namespace", "defaultdict", "series", "index"],
)
def test_code_inside_a_stand_in_is_refused_and_nothing_runs(tmp_path, wrap, protocol):
    marker = tmp_path / "ran"
    path = write(tmp_path / "a.pkl", {"settings": wrap(RunsCode(marker))}, protocol)
    with pytest.raises(UnusableInputError, match=r"holds code.*system"):
        read_untrusted(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"ccopyreg\n_reconstructor\n(cbuiltins\nset\ncbuiltins\nobject\nNtR.",
        b"cbuiltins\ngetattr\n.",
        b"cbuiltins\n__import__\n.",
        b"cpandas.io.pickle\nread_pickle\n.",
        b"cpyarrow.lib\n_restore_array\n((Vint64\nI1\nI0\nI0\n(NNNl(lNttR.",
        b"cargparse\nNamespace\n(tRcos\nsystem\nb.",
    ],
)
def test_stand_ins_stand_for_nothing_else(tmp_path, program):
    (tmp_path / "a.pkl").write_bytes(program)
    with pytest.raises(UnusableInputError, match="holds code"):
        read_untrusted(tmp_path / "a.pkl")


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_empty_and_nested_namespaces_are_not_confused(tmp_path, protocol):
    nested = [argparse.Namespace(inner=argparse.Namespace(number=i)) for i in range(50)]
    found = read_untrusted(write(tmp_path / "a.pkl", [argparse.Namespace(), *nested], protocol))
    assert found == [{}, *({"inner": {"number": i}} for i in range(50))]


def test_what_a_few_bytes_would_make_endless_is_none(tmp_path):
    nested = [1]
    for _ in range(70):
        nested = [nested, nested]
    read_untrusted(write(tmp_path / "a.pkl", nested))
    with pytest.raises(UnusableInputError, match="a range of 1000000000000000000 numbers"):
        read_untrusted(write(tmp_path / "b.pkl", range(10**18)))


def test_a_frame_says_what_is_read_in_its_place(tmp_path):
    path = write(tmp_path / "a.pkl", {"train": pd.DataFrame({"a": [1]})})
    with pytest.raises(UnusableInputError, match=r"pandas.DataFrame.*only a plain Series"):
        read_untrusted(path)


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
def test_compressed_files_are_read_by_their_content(tmp_path, module):
    path = tmp_path / "a.pkl"
    with module.open(path, "wb") as file:
        pickle.dump({"train": VALUES}, file)
    np.testing.assert_array_equal(read_untrusted(path)["train"], VALUES)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnusableInputError, match=r"a.pkl is (not a whole pickle|damaged): "):
        read_untrusted(path)


def test_files_of_numpy_are_read_and_gated(tmp_path):
    path, marker = tmp_path / "a.npz", tmp_path / "ran"
    np.savez(path, train={"text": VALUES, "id": ["é"]}, turned=np.asfortranarray(VALUES))
    found = read_untrusted(path)
    np.testing.assert_array_equal(found["train"]["text"], VALUES)
    np.testing.assert_array_equal(found["turned"], VALUES)
    np.save(tmp_path / "a.npy", {"train": 3})
    assert read_untrusted(tmp_path / "a.npy") == {"train": 3}
    np.savez(path, train={"text": RunsCode(marker)})
    with pytest.raises(UnusableInputError, match=r"holds code.*system"):
        read_untrusted(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UnusableInputError, match="is not a whole"):
        read_untrusted(path)
    assert not marker.exists()


def test_tensors_in_a_plain_pickle_come_as_arrays(tmp_path):
    torch = pytest.importorskip("torch")
    path = write(tmp_path / "a.pkl", {"text": torch.from_numpy(VALUES)[:, 1:], "id": ["a"]})
    np.testing.assert_array_equal(read_untrusted(path)["text"], VALUES[:, 1:])


def test_hdf5_says_the_way(tmp_path):
    (tmp_path / "a.csd").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    with pytest.raises(UnusableInputError, match=r"a.csd is HDF5.*let the SDK align"):
        read_untrusted(tmp_path / "a.csd")
