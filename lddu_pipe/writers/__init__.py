"""What people read: annotations as a timeline, figures as tables and charts, names safe to print.

JSON needs no writer of its own: it is `lddu_pipe.annotation.Annotation.save`.
"""
