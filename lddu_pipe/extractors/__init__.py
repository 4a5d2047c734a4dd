"""Extractors: one modality of raw data in, a sequence of features out."""
