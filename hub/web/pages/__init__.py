"""How a page is made: its template, language, images, scripts, logo and compression."""
