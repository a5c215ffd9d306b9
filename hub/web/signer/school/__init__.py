"""School: campuses, courses, enrolments, posters, contract templates."""
