"""The HTTP API: jobs from uploads, one model for all; it does not know the command line."""
