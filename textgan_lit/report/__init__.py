"""A run to look at: what its files hold (:mod:`record`) as plots and tables (:mod:`sections`), on a page or as files.

Free of torch: a report is made in a second or two, on any machine that can read the run's folder.
"""
