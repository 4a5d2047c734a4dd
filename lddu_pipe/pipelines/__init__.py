"""The paths from media to emotions, put together from the parts below."""
