"""The features: what a flight says of itself, and what was known before its prediction time. Swap this for your own."""

import polars as pl

from tasks.features.known import Known, Rows

WEATHER = ["temp", "humid", "wind_speed", "precip", "pressure", "visib"]


def features(rows: Rows, known: Known) -> dict:
    """A value for each flight and name; text is a category."""
    flights, weather, planes = known.flights, known.weather, known.planes
    aircraft, route, late = flights.by("tailnum"), flights.by("origin", "carrier"), pl.col("arr_delay") >= 15
    departure = rows["hour"] * 60 + rows["minute"]
    arrival = rows["sched_arr_time"] // 100 * 60 + rows["sched_arr_time"] % 100
    return {
        "carrier": rows["carrier"],
        "origin": rows["origin"],
        "dest": rows["dest"],
        "distance": rows["distance"],
        "minute_of_day": departure,
        "weekday": pl.date("year", "month", "day").dt.weekday(),
        "scheduled_minutes": (arrival - departure) % 1440,  # on local clocks
        "plane_age": rows["year"] - planes.by("tailnum").value("year"),
        **weather.by("origin").newest(WEATHER, within="6h"),
        "last_delay": aircraft.newest("arr_delay", within="48h"),
        "last_delay_age": aircraft.age("arr_delay", within="48h"),
        "origin_3h_late": flights.by("origin").last("3h").share(late),
        "origin_3h_delay": flights.by("origin").last("3h").mean("arr_delay"),
        "carrier_24h_late": route.last("24h").share(late),
        "carrier_24h_delay": route.last("24h").mean("arr_delay"),
        "dest_24h_late": flights.by("dest").last("24h").share(late),
        "dest_24h_delay": flights.by("dest").last("24h").mean("arr_delay"),
        "tail_24h_late": aircraft.last("24h").share(late),
        "tail_24h_delay": aircraft.last("24h").mean("arr_delay"),
    }
