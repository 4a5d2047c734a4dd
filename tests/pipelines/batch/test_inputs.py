from __future__ import annotations

import os
from pathlib import Path

import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.pipelines.batch.inputs import Item, find_items, result_names


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder as people have them: nested, with transcripts, notes and hidden files."""
    root = tmp_path / "corpus"
    for name in (
        "a.mp4", "a.srt", "a.txt", "b.WAV", "notes.txt", "data.json", "talk.vtt",
        "deep/er/a.mp4", "deep/er/a.vtt", "deep/picture.png", ".hidden/x.mp4", ".y.mp4",
    ):  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))
    return root


def found(*given, **options) -> dict[str, str | None]:
    """Name and name of the transcript of what is found."""
    return {
        item.name: item.transcript and Path(item.transcript).name
        for item in find_items([str(place) for place in given], **options)
    }


def test_a_folder_is_searched_for_media_and_lonely_transcripts(corpus):
    names = found(corpus)
    assert set(names) == {
        "a.mp4", "b.WAV", "talk.vtt", "deep/er/a.mp4", "deep/picture.png",
    }  # fmt: skip
    assert names["a.mp4"] == "a.srt"
    assert names["b.WAV"] is None


def test_without_sidecars_a_transcript_stands_alone(corpus):
    names = found(corpus, sidecars=False)
    assert names["a.mp4"] is None
    assert "a.srt" in names


def test_patterns_take_and_leave(corpus):
    assert set(found(corpus, include=["*.mp4"])) == {"a.mp4", "deep/er/a.mp4"}
    assert set(found(corpus, include=["deep/*", "*.txt"], exclude=["*.png"])) == {
        "deep/er/a.mp4", "a.txt", "notes.txt",
    }  # fmt: skip
    assert set(found(corpus, include=["notes.txt"])) == {"notes.txt"}
    with pytest.raises(UnusableInputError, match=r"nothing to annotate in .*corpus"):
        found(corpus, include=["*.flac"])


def test_several_folders_keep_their_names(corpus, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.mp4").touch()
    names = found(corpus, other)
    assert {"corpus/a.mp4", "other/a.mp4"} <= set(names)


def test_the_output_is_not_searched(corpus):
    (corpus / "out").mkdir()
    (corpus / "out" / "a.mp4").touch()
    assert "out/a.mp4" not in found(corpus, skip=corpus / "out")
    assert "out/a.mp4" in found(corpus)


def test_a_folder_is_not_its_own_output(corpus):
    with pytest.raises(UnusableInputError, match="is input and output; give another -o DIR"):
        found(corpus, skip=corpus)


@pytest.mark.parametrize("suffix", [".srt", ".vtt", ".eaf", ".TextGrid"])
def test_what_can_only_be_a_transcript_goes_first(tmp_path, suffix):
    for name in ("a.mp4", "a.json", "a.txt", f"a{suffix}"):
        (tmp_path / name).touch()
    assert found(tmp_path) == {"a.mp4": f"a{suffix}"}
    assert found(tmp_path / "a.mp4") == {"a.mp4": f"a{suffix}"}


@pytest.mark.parametrize(
    ("beside", "chosen"),
    [
        (["talk.en.srt"], "talk.en.srt"),
        (["talk.de.srt", "talk.en-US.vtt"], "talk.en-US.vtt"),
        (["talk.de.srt"], "talk.de.srt"),
        (["talk.de.srt", "talk.fr.srt"], None),
        (["talk.en.srt", "talk.ass"], "talk.ass"),
        (["talk.eng.sdh.srt"], "talk.eng.sdh.srt"),
        (["talk.final.srt"], None),
    ],
)
def test_a_transcript_may_name_its_language(tmp_path, beside, chosen):
    for name in ("talk.wav", *beside):
        (tmp_path / name).touch()
    names = found(tmp_path)
    assert names["talk.wav"] == chosen
    assert ("talk.final.srt" in names) == ("talk.final.srt" in beside)
    assert len(names) == 1 + ("talk.final.srt" in beside)
    assert found(tmp_path / "talk.wav") == {"talk.wav": chosen}
    assert set(found(f"{tmp_path}/*")) == set(names)


def test_a_pattern_names_files(corpus, monkeypatch):
    assert set(found(f"{corpus}/**/*.mp4")) == {"a.mp4", "deep/er/a.mp4"}
    monkeypatch.chdir(corpus)
    names = found("*")
    assert names["a.mp4"] == "a.srt"
    assert "a.srt" not in names
    assert set(found("deep/er/*.mp4")) == {"a.mp4"}


def test_a_list_names_files_from_its_own_folder(corpus):
    listing = corpus / "list.txt"
    listing.write_text("a.mp4\n\ndeep/er/a.mp4\n")
    assert found(listing) == {"a.mp4": "a.srt", "deep/er/a.mp4": "a.vtt"}
    listing.write_text("gone.mp4\n")
    with pytest.raises(UnusableInputError, match=r"list\.txt names .*gone\.mp4"):
        found(listing)
    listing.write_text("\n")
    with pytest.raises(UnusableInputError, match="names no file"):
        found(listing)


def test_a_manifest_gives_an_item_a_row(corpus):
    manifest = corpus / "rows.jsonl"
    manifest.write_text(
        '{"id": "one", "video": "a.mp4", "start": 1, "end": 2}\n'
        '{"id": "../two", "text": "hello"}\n'
    )
    items = find_items([str(manifest)])
    assert [item.name for item in items] == ["one", "two"]
    assert [item.source for item in items] == [str(corpus / "a.mp4"), ""]
    assert items[0].key == f"{manifest}#one"
    before = items[0].version
    manifest.write_text('\n{"id": "one", "video": "a.mp4", "start": 1, "end": 2}\n')
    assert find_items([str(manifest)])[0].version == before
    manifest.write_text('{"id": "one", "video": "a.mp4", "start": 1, "end": 3}\n')
    assert find_items([str(manifest)])[0].version != before


def test_what_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UnusableInputError, match="gone: there is no such file or folder"):
        found(tmp_path / "gone")


def test_a_file_is_found_once(corpus, monkeypatch):
    monkeypatch.chdir(corpus)
    assert list(found("a.mp4", corpus / "a.mp4", f"{corpus}/a*.mp4")) == ["a.mp4"]


def test_a_broken_link_is_an_item_whose_failure_will_be_told(corpus):
    (corpus / "link.mp4").symlink_to("nowhere.mp4")
    assert "link.mp4" in found(corpus)


def item(name: str, folder: str = "/x") -> Item:
    return Item(f"{folder}/{name}", name, 1, "1")


def test_results_lose_the_suffix_where_that_is_clear():
    items = [item("a.mp4"), item("A.wav"), item("b.mp4"), item("d/a.mp4")]
    items += [item("summary.mp4"), item("Index.mp4"), item("d/index.mp4")]
    names = result_names(items, {})
    assert [names[one.key] for one in items] == [
        *("a.mp4", "A.wav", "b", "d/a", "summary.mp4", "Index.mp4", "d/index"),
    ]


def test_names_stay_what_they_were():
    first, second = item("b.mp4"), item("b.wav")
    names = result_names([first, second], {first.key: "b"})
    assert names == {first.key: "b", second.key: "b.wav"}


def test_equal_names_are_numbered():
    items = [item("a.mp4", "/x"), item("a.mp4", "/y"), item("A.MP4", "/z")]
    assert list(result_names(items, {}).values()) == ["a.mp4", "a.mp4-2", "A.MP4-3"]


def test_a_list_names_files_by_their_bytes(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.mp4")).touch()
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfcaf\xe9.mp4\r\n")
    assert list(found(tmp_path / "list.txt")) == [os.fsdecode(b"caf\xe9.mp4")]
