"""Judging reads: what cannot be right, what wants a look, and what is noted. Pure functions over numpy arrays.

`rules` has the rules, `limits` the numbers they stand on (dated data), `judging.judge` asks all of them.
"""
