"""``python -m lddu_pipe.cli`` is ``lddu-pipe``."""

from lddu_pipe.cli import main

main()
