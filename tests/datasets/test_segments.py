"""The many names that segments of videos have."""

import numpy as np

from lddu_pipe.datasets.segments import name_of, segment_of


def test_names_are_texts():
    assert name_of(np.array([b"v", b"1.5", b"3"])) == "v_1.5_3"
    assert name_of(np.bytes_(b"v0")) == "v0"
    assert segment_of("a_b_3") == segment_of("a_b$_$03") == segment_of("a_b[3]") == ("a_b", 3)
    assert segment_of("scene") == "scene"
