"""What `/metrics` says, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def values(text: str) -> Values:
    """Each sample of an answer of `/metrics`, by name and sorted labels, as Prometheus' own parser reads it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(values: Values, name: str) -> dict[tuple[str, ...], float]:
    """A metric's values by those of its labels, in the order of the labels' names."""
    return {tuple(v for _, v in labels): value for (each, labels), value in values.items() if each == name}
