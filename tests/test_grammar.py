"""Promises of `escalation.reading.grammar`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalation.errors import InvalidValueError
from escalation.reading import scenario
from escalation.reading.case import Role


@pytest.mark.parametrize(
    ("value", "role", "quantiles"),
    [
        ("0.3", "rate", (0.3, 0.3)),
        (0.3, "probability", (0.3, 0.3)),
        ("0.1 to 0.4", "rate", (0.1, 0.4)),
        ("3 to 6 per 7d", "rate", (3, 6)),
        ("0.6 to 0.8", "probability", (0.6, 0.8)),
        ("Very  Likely", "probability", (0.8, 0.95)),
        ("x2 to 4", "multiplier", (2, 4)),
        ("2 to 4", "multiplier", (2, 4)),
        ("x 0.5", "multiplier", (0.5, 0.5)),
        ("60d to 120d", "duration", (60, 120)),
        ("2w", "duration", (14, 14)),
        ("1y", "duration", (365, 365)),
        ({"dist": "uniform", "loc": 0.2, "scale": 0.5}, "probability", (0.225, 0.675)),
        ({"value": "0.1 to 0.4", "why": "x"}, "rate", (0.1, 0.4)),
    ],
)
def test_a_number_is_a_prior(value: object, role: Role, quantiles: tuple[float, float]) -> None:
    """The 5 % and 95 % points are what is written."""
    prior = scenario.parse_number(value, role)  # type: ignore[arg-type]
    assert prior.quantile(np.array([0.05, 0.95])) == pytest.approx(quantiles)


@given(st.text() | st.from_regex(r"x?[0-9.e+-]{1,6}( to [0-9.e+-]{1,6})?( per [0-9]{0,3}[dwy])?"))
def test_any_text_is_a_number_or_a_refusal(text: str) -> None:
    """Whatever the text, there is a prior with finite quantiles or an InvalidValueError."""
    roles: tuple[Role, ...] = ("rate", "probability", "multiplier", "duration", "weight")
    for role in roles:
        try:
            prior = scenario.parse_number(text, role)
        except InvalidValueError:
            continue
        low, high = prior.quantile(np.array([1e-9, 1 - 1e-9]))
        assert 0 <= low <= high < np.inf
