"""What people and other programs read: annotations in many formats, figures as tables and charts.

`lddu_pipe.writers.formats` names the formats of annotations, each a module with ``render``.
"""
