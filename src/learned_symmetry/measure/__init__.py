"""Measures, one module a measure: pure functions of a model, inputs and a group, each with a known answer."""
