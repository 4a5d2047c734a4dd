"""LDDU: the model, its losses and its calibration. Knows no file format and no media."""
