"""Counts of what was judged, at the end of the run, whichever process did it."""

import pytest

COUNTS = "counts"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded under the name `counts`."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, counts in getattr(report, "user_properties", []):
                if name == COUNTS and getattr(report, "when", "") == "call":
                    terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {counts}")
