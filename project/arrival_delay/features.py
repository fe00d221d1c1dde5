"""The features: those of late-arrivals, and how late flights left."""

from project.late_arrivals import features as late_arrivals
from tasks.features.known import Known, Rows


def features(rows: Rows, known: Known) -> dict:
    """A value for each flight and name."""
    aircraft, origin = known.flights.by("tailnum"), known.flights.by("origin")
    return {
        **late_arrivals.features(rows, known),
        "last_departure_delay": aircraft.newest("dep_delay", within="48h"),
        "origin_3h_departure_delay": origin.last("3h").mean("dep_delay"),
    }
