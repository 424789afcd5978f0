"""The report as a page to look at: one HTML file."""
