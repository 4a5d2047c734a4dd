"""Who is in a recording: whose faces are seen, who speaks, and what everybody shows meanwhile."""

from lddu_pipe.pipelines.people.everybody import SPOKEN, Everybody
from lddu_pipe.pipelines.people.largest import LargestFace
from lddu_pipe.pipelines.people.picture import Picture

People = Everybody | LargestFace | Picture

__all__ = ["SPOKEN", "Everybody", "LargestFace", "People", "Picture"]
