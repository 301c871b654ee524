"""Readers of published data: columns as documented, codes as text, every bad row named."""

import gzip
from datetime import date
from pathlib import Path

import pytest

from escalation.errors import InvalidInputError, InvalidValueError
from escalation.history.histories import MISSING, group
from escalation.history.readers import FORMATS, GDELT_COLUMNS, cameo_level, parse, read

MIE = "micnum,eventnum,ccode1,ccode2,stmon,stday,styear,endmon,endday,endyear,sidea1,action,hostlev"


def test_a_missing_day_follows_the_rule() -> None:
    """−9 for a day is the 15th, the first or the last of its month, and not precise."""
    lines = [MIE, "2,1,2,200,5,-9,1902,5,-9,1902,1,7,3"]
    days = {rule: parse("mie", lines, missing=rule)[0].start.day for rule in MISSING}
    assert days == {"first": 1, "middle": 15, "last": 31}
    assert not parse("mie", lines)[0].precise


def test_cameo_codes_keep_their_zeros() -> None:
    """010 stays 010, in every format that has CAMEO codes."""
    icews = (
        "Event ID\tEvent Date\tSource Country\tTarget Country\tCAMEO Code\n1\t2018-06-01\tA\tB\t010"
    )
    gdelt = "\t".join(
        {"GLOBALEVENTID": "1", "SQLDATE": "20180601", "EventCode": "010"}.get(name, "")
        for name in GDELT_COLUMNS
    )
    keds = "date,source,target,code\n2018-06-01,A,B,010"
    for name, text in (("icews", icews), ("gdelt", gdelt), ("keds", keds)):
        (event,) = parse(name, text.splitlines())
        assert (event.action, event.start) == ("010", date(2018, 6, 1))


def test_gdelt_has_its_61_columns() -> None:
    """The GDELT 2.0 event table has 61 columns, the address of the source last."""
    assert len(GDELT_COLUMNS) == 61
    assert GDELT_COLUMNS[26] == "EventCode"
    assert GDELT_COLUMNS[-1] == "SOURCEURL"


def test_acled_says_whether_its_day_is_exact() -> None:
    """time_precision 1 is a known day; a battle is a use of force."""
    header = (
        "event_id_cnty,event_date,time_precision,event_type,sub_event_type,actor1,actor2,country"
    )
    rows = ["X1,2020-01-02,1,Battles,Armed clash,A,B,Z", "X2,2020-01-02,2,Protests,Peaceful,A,,Z"]
    exact, about = parse("acled", [header, *rows])
    assert (exact.precise, exact.level, exact.action) == (True, 4, "Armed clash")
    assert (about.precise, about.level) == (False, None)


def test_any_table_can_be_read_by_naming_its_columns() -> None:
    """A CSV with other names is read by a map of fields to columns; an unknown field is refused."""
    lines = ["when,who,whom", "2020-01-02,A,B"]
    (event,) = parse("csv", lines, columns={"start": "when", "actor": "who", "target": "whom"})
    assert (event.history, event.start) == ("A | B", date(2020, 1, 2))
    with pytest.raises(InvalidValueError, match="known are"):
        parse("csv", lines, columns={"strat": "when"})


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    """All rows that cannot be read are reported together, each with its line."""
    file = tmp_path / "events.csv.gz"
    text = "date,source,target,code\nno,A,B,1\n2018-06-01,A,B,1\n2018-13-01,A,B,1\n"
    file.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(InvalidInputError) as caught:
        read("keds", file)
    assert [problem.line for problem in caught.value.problems] == [2, 4]


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A file that lacks the columns of its format, or is absent, or an unknown format, says so."""
    with pytest.raises(InvalidInputError, match="lacks the column"):
        parse("mie", ["a,b", "1,2"])
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read("mie", tmp_path / "absent.csv")
    with pytest.raises(InvalidValueError, match="known are"):
        parse("xyz", [])
    assert "mie" in FORMATS


def test_levels_of_cameo_codes() -> None:
    """Threats of force, shows of force and uses of force have their hostility; talk has none."""
    assert [cameo_level(code) for code in ("1384", "152", "195", "010")] == [2, 3, 4, None]


@pytest.mark.parametrize(
    ("name", "file", "events", "histories"),
    [
        ("mie", "mie_mid/mie-1.0.csv", 28011, 1881),
        ("mid", "mie_mid/MIDA_5.0.csv", 2436, 2436),
        ("midip", "mie_mid/MIDIP_5.0.csv", 9619, 667),
        ("icb", "icb/icb2v13.csv", 3188, 481),
        ("icews", "events/icews_2018_sample.tab", 3705, 449),
        ("keds", "events/keds_turkey.cameo.csv.gz", 29029, 4322),
    ],
)
def test_published_files_are_read_whole(
    reference: Path, name: str, file: str, events: int, histories: int
) -> None:
    """Every row of the published files becomes events, none is refused."""
    found = read(name, reference / file)
    assert (len(found), len(group(found))) == (events, histories)
