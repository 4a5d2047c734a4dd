from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lddu_pipe.cli import main
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media import devices
from lddu_pipe.media.device_lists import Device, read_devices, read_formats
from lddu_pipe.media.devices import Listing, choose_device, list_devices

DEVICES = """Devices:
 D. = Demuxing supported
 .E = Muxing supported
 ---
 DE alsa            ALSA audio output
 D  lavfi           Libavfilter virtual input device
 DE pulse           Pulse audio output
 DE video4linux2,v4l2 Video4Linux2 output device
  E xv              XV (XVideo) output device
"""
V4L2 = """Auto-detected sources for video4linux2,v4l2:
  /dev/video2 [Logitech BRIO (usb-0000:00:14.0-1): Logi] (none)
  /dev/video0 [Integrated Camera: Integrated C] (none)
  /dev/video1 [Integrated Camera: Integrated C] (none)
"""
PULSE = """Auto-detected sources for pulse:
  alsa_output.pci-0000_00_1f.3.analog-stereo.monitor [Monitor of Built-in Audio] (none)
* alsa_input.pci-0000_00_1f.3.analog-stereo [Built-in Audio Analog Stereo] (none)
"""
ALSA = """Auto-detected sources for alsa:
  null [Discard all samples (playback) or generate zero samples (capture)] (none)
  hw:CARD=PCH,DEV=0 [HDA Intel PCH, ALC257 Analog
Direct hardware device without any conversions] (none)
  default [Default Audio Device] (audio)
"""
AVFOUNDATION = """[AVFoundation indev @ 0x7f8d9a804740] AVFoundation video devices:
[AVFoundation indev @ 0x7f8d9a804740] [0] FaceTime HD Camera
[AVFoundation indev @ 0x7f8d9a804740] [1] Capture screen 0
[AVFoundation indev @ 0x7f8d9a804740] AVFoundation audio devices:
[AVFoundation indev @ 0x7f8d9a804740] [0] MacBook Pro Microphone
[AVFoundation indev @ 0x7f8d9a804740] [1] ZoomAudioDevice
: Input/output error
"""
DSHOW = r"""[dshow @ 000001e5a3b0e740] "Integrated Camera" (video)
[dshow @ 000001e5a3b0e740]   Alternative name "@device_pnp_\\?\usb#vid_04f2&pid_b6d0"
[dshow @ 000001e5a3b0e740] "OBS Virtual Camera" (none)
[dshow @ 000001e5a3b0e740]   Alternative name "@device_sw_{860BB310}\{A3FCE0F5}"
[dshow @ 000001e5a3b0e740] "Microphone (Realtek(R) Audio)" (audio)
[dshow @ 000001e5a3b0e740]   Alternative name "@device_cm_{33D9A762}\wave_{F2E5}"
dummy: Immediate exit requested
"""
DSHOW_OF_OLD = r"""[dshow @ 021c] DirectShow video devices (some may be both)
[dshow @ 021c]  "Integrated Camera"
[dshow @ 021c]     Alternative name "@device_pnp_\\?\usb#vid_04f2"
[dshow @ 021c] DirectShow audio devices
[dshow @ 021c]  "Microphone (Realtek(R) Audio)"
[dshow @ 021c]     Alternative name "@device_cm_{33D9A762}\wave_{F2E5}"
"""


def found(printed, form, role):
    return [
        (item.name, item.description, item.default) for item in read_devices(printed, form, role)
    ]


def test_formats_that_can_be_read():
    assert read_formats(DEVICES) == {"alsa", "lavfi", "pulse", "video4linux2", "v4l2"}


def test_lists_of_linux():
    assert found(V4L2, "v4l2", "camera") == [
        ("v4l2:/dev/video2", "Logitech BRIO (usb-0000:00:14.0-1): Logi", False),
        # /dev/video1 has no pictures: it is the same camera's second address.
        ("v4l2:/dev/video0", "Integrated Camera: Integrated C", False),
    ]
    assert found(PULSE, "pulse", "microphone") == [
        (
            "pulse:alsa_input.pci-0000_00_1f.3.analog-stereo",
            "Built-in Audio Analog Stereo",
            True,
        ),
        (
            "pulse:alsa_output.pci-0000_00_1f.3.analog-stereo.monitor",
            "Monitor of Built-in Audio",
            False,
        ),
    ]
    assert found(ALSA, "alsa", "microphone")[0] == ("alsa:default", "Default Audio Device", True)
    assert found(ALSA, "alsa", "microphone")[2] == (
        "alsa:hw:CARD=PCH,DEV=0",
        "HDA Intel PCH, ALC257 Analog Direct hardware device without any conversions",
        False,
    )


def test_lists_of_macos():
    assert found(AVFOUNDATION, "avfoundation", "camera") == [
        ("avfoundation:0", "FaceTime HD Camera", True),
        ("avfoundation:1", "Capture screen 0", False),
    ]
    assert found(AVFOUNDATION, "avfoundation", "microphone") == [
        ("avfoundation:0", "MacBook Pro Microphone", True),
        ("avfoundation:1", "ZoomAudioDevice", False),
    ]
    camera, microphone = (
        read_devices(AVFOUNDATION, "avfoundation", role)[0] for role in ("camera", "microphone")
    )
    assert (camera.target, microphone.target) == ("0:none", "none:0")


@pytest.mark.parametrize("printed", [DSHOW, DSHOW_OF_OLD])
def test_lists_of_windows(printed):
    (camera,) = read_devices(printed, "dshow", "camera")
    (microphone,) = read_devices(printed, "dshow", "microphone")
    assert (camera.description, camera.default) == ("Integrated Camera", True)
    assert camera.target.startswith(r"video=@device_pnp_\\?\usb#vid_04f2")
    assert microphone.description == "Microphone (Realtek(R) Audio)"
    assert microphone.target == r"audio=@device_cm_{33D9A762}\wave_{F2E5}"


@pytest.fixture
def answers(monkeypatch):
    """What ffmpeg says, by its arguments; an ffmpeg on PATH is the same."""
    said = {"-devices": DEVICES, "-sources v4l2": V4L2, "-sources pulse": PULSE}
    said |= {"-sources alsa": ALSA}
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(devices, "find_ffmpeg", lambda: "/opt/ffmpeg")
    monkeypatch.setattr(devices, "version_of", lambda program: "7.1")
    monkeypatch.setattr(devices.shutil, "which", lambda name: None)
    monkeypatch.setattr(
        devices, "_printed", lambda program, *arguments: said.get(" ".join(arguments), "")
    )
    return said


def test_one_listing_of_a_machine(answers):
    result = CliRunner().invoke(main, ["live", "--device-list"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "cameras"
    assert lines[1].split("  ")[1] == "v4l2:/dev/video2"
    assert lines[4] == "microphones"
    assert lines[5].endswith("Built-in Audio Analog Stereo  (default)")
    as_json = CliRunner().invoke(main, ["live", "--device-list", "--json"])
    values = json.loads(as_json.stdout)
    assert values["devices"][0]["name"] == "v4l2:/dev/video2"
    assert values["missing"] == {"camera": [], "microphone": []}


def test_what_is_missing_is_said_in_a_line_each(answers, monkeypatch):
    answers["-devices"] = DEVICES.replace(" DE alsa", "  E alsa")
    answers["-sources v4l2"] = "Auto-detected sources for video4linux2,v4l2:\n"
    answers["-sources pulse"] = "Cannot list sources: Generic error in an external library\n"
    missing = list_devices().missing
    assert len(missing["camera"]) == 1
    assert missing["camera"][0].startswith("v4l2: ")
    assert missing["microphone"] == (
        "pulse: no sound server answers; is PulseAudio or PipeWire running?",
        "alsa: not in /opt/ffmpeg; install another ffmpeg, such as the system's own, and let "
        "LDDU_PIPE_FFMPEG name it",
    )
    result = CliRunner().invoke(main, ["live", "--device-list"])
    assert result.stdout.count("none found") == 2


def test_an_ffmpeg_that_has_what_is_missing_is_named(answers, monkeypatch):
    monkeypatch.setattr(devices.shutil, "which", lambda name: "/usr/bin/ffmpeg")
    monkeypatch.setattr(
        devices,
        "_printed",
        lambda program, *_: DEVICES if program == "/usr/bin/ffmpeg" else "",
    )
    assert (
        "v4l2: not in /opt/ffmpeg; set LDDU_PIPE_FFMPEG=/usr/bin/ffmpeg, which has it"
        in list_devices().missing["camera"]
    )


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_a_camera_that_may_not_be_used_is_no_camera_that_is_not_there(answers, monkeypatch):
    answers["-sources v4l2"] = ""
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter([Path("/dev/video0")]))
    monkeypatch.setattr(devices.os, "access", lambda path, mode: False)
    assert list_devices().missing["camera"] == (
        "v4l2: you may not use /dev/video0; join the group video and log in again",
    )


def listing(*there):
    return Listing(there, {"camera": ("v4l2: none",), "microphone": ()}, frozenset({"v4l2"}))


BRIO = Device("camera", "v4l2", "/dev/video2", "Logitech BRIO")
BUILT_IN = Device("camera", "v4l2", "/dev/video0", "Integrated Camera", True)
TWIN = Device("camera", "v4l2", "/dev/video4", "Logitech BRIO 2")


def test_a_device_by_any_of_its_names():
    there = listing(BRIO, BUILT_IN)
    assert choose_device(there, "camera", None) == BUILT_IN
    for name in ("/dev/video2", "Logitech BRIO", "brio", "v4l2:/dev/video2"):
        assert choose_device(there, "camera", name).address == "/dev/video2"
    # What is not listed may be there all the same.
    assert choose_device(there, "camera", "v4l2:/dev/video7").address == "/dev/video7"
    assert choose_device(listing(BRIO), "camera", None) == BRIO


@pytest.mark.parametrize(
    ("there", "name", "message"),
    [
        ((), None, r"no camera found \(v4l2: none\); connect one, or give --no-camera"),
        ((BRIO,), "front", "there is no camera 'front'; .* --device-list"),
        ((BRIO, TWIN), "logi", "'logi' may be any of v4l2:/dev/video2, v4l2:/dev/video4"),
    ],
)
def test_a_device_that_cannot_be_found(there, name, message):
    with pytest.raises(UnusableInputError, match=message):
        choose_device(listing(*there), "camera", name)
