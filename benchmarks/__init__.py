"""Fast paths against the plain way, on a CPU: ``pytest benchmarks`` (`common.race`)."""
