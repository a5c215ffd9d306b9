"""What reports count, the texts of their figures, and the weekly report."""
