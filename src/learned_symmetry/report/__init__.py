"""From results to artefacts and verdicts: reads JSON, draws and judges; imports no torch."""
