"""The school's data: campuses, courses, enrolments, posters, guests."""
