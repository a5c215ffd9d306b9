"""The poster page and enrolments by a poster."""
