"""Scenario and escalation modelling: how likely a crisis climbs, how far, by when, and why.

Public reports feed a continuous-time escalation ladder with latent intent, under assumptions
that may all be uncertain. Analysis of public reporting: it says how likely things are, never
what anyone should do.
"""

__version__ = "0.1.0"
