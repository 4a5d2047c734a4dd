"""What people say of annotations: corrections, what to look at next, agreement, export."""
