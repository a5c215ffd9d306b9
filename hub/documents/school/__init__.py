"""Files about a school: rosters, school files, posters."""
