"""The report: from what is known of a run to pages for people and documents for programs.

Data flows one way: `contents` holds what is known, `sheets` puts it into tables, `view` says what a
page shows, `page` and `documents` write it.
"""
