"""What is timed, against what: ``python -m benchmarks`` prints one table, ``--json FILE`` writes its rows."""
