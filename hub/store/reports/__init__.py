"""The figures of reports, and the weekly reports by mail."""
