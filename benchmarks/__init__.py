"""Benchmarks: ``python -m benchmarks NAME --corpus PATH``.

Each benchmark is a module of this package with ``add_arguments(parser)`` and ``run(args)``, which yields rows;
every row is printed as one JSON object a line.  `benchmarks.corpus` holds what they share.
"""
