"""The networks inside MediaPipe's FaceLandmarker, each run by itself."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from lddu_pipe.extractors.faces import quiet_native_log


class Network:
    """A TFLite network with one input, on one core. Several threads may not use one at once."""

    def __init__(self, content: bytes) -> None:
        """Load it.

        Args:
            content: of the file ``.tflite``.
        """
        with quiet_native_log():  # it tells how it computes
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
        (self._input,) = (item["index"] for item in self._interpreter.get_input_details())
        self._outputs = {
            item["name"]: item["index"] for item in self._interpreter.get_output_details()
        }

    def __call__(self, values: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """What it says of one input, float32 of its shape but for the batch: outputs by name."""
        self._interpreter.set_tensor(self._input, values[None])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(at) for name, at in self._outputs.items()}


def read_bundle(model: Path) -> dict[str, bytes]:
    """The files inside a ``.task`` file, by name."""
    with ZipFile(model) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}
