"""Campuses, courses, enrolments, posters and guests."""
