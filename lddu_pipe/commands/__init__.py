"""A file a command of `lddu_pipe.cli`, and what they share; nothing heavy is imported here."""
