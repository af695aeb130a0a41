"""One thread, unless a benchmark asks for more; and a table of the races at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from benchmarks import common


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with common.threads(1):
        yield


@pytest.fixture
def remember(benchmark: Any, record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """``remember(form, what)``: a line of the table at the end."""
    return lambda form, what: record_property("line", (benchmark.group, f"{form:<40} {what}"))


@pytest.fixture
def race(benchmark: Any, remember: Callable[[str, str], None]) -> Callable[..., None]:
    """``race(forms, name, required, against=None, ...)``: `common.race` of one form against the first, or those named.

    `required` says by name how many times faster a form must be; the first form just gets its time.
    """

    def run(
        forms: Mapping[str, common.Form],
        name: str,
        required: Mapping[str, float],
        against: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        first = next(iter(forms))
        against = [first] if against is None else against
        rivals = {} if name == first else {rival: forms[rival] for rival in against}
        found = common.race(benchmark, forms[name], rivals, at_least=required.get(name), **options)
        remember(name, told(found))
        found.check()

    return run


def told(found: common.Race) -> str:
    parts = [f"{found.ms:8.2f} ms"]
    parts += [f"{rival} {ms:.2f} ms" for rival, ms in found.rivals_ms.items()]
    if found.ratio is not None:
        parts.append(f"{found.ratio:.2f} times faster")
    if found.at_least is not None:
        parts.append(f"required {found.at_least:.2f}")
    if found.error is not None and found.rivals_ms:
        parts.append(f"error {found.error:.0e}")
    return ", ".join(parts)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    lines = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, value in getattr(report, "user_properties", [])
        if name == "line" and report.when == "call"
    ]
    if not lines:
        return
    terminalreporter.section("fast forms against plain ones (medians)")
    for table in dict.fromkeys(table for table, _ in lines):
        terminalreporter.write_line(table)
        for line in (line for group, line in lines if group == table):
            terminalreporter.write_line("    " + line)
