"""From a case to an answer: arrays, draws of the assumptions, the assessment."""
