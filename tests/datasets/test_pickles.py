"""Files that strangers made: read where they hold arrays, refused where they hold code."""

import os
import pickle
import zipfile

import numpy as np
import pytest

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
