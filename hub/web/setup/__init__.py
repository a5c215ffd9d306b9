"""The set-up page `/setup`. It is served alone, before there is a school, to the person who opens its address first."""
