"""Tests of the benchmarks' own arithmetic and of their jigs."""
