"""Pages of the console about rosters, enrolments, issuing many contracts, and posters."""
