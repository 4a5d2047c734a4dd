"""Many inputs, each annotated exactly once, whatever happens on the way."""
