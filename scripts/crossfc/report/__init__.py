"""The report: one page that answers the questions of the study."""
