"""What watches a run: evaluation, logs, samples, checkpoints, progress. None of them touches training."""
