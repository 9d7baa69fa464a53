import pytest

from mrisynth.data.finding.participants import read_participants
from mrisynth.errors import UserError


def table(folder, text, encoding="utf-8"):
    (folder / "participants.tsv").write_bytes(text.encode(encoding))
    return read_participants(folder)


def ages(participants, *subjects):
    found = participants.of_subjects(subjects)
    return [found[subject][0].get("age") for subject in subjects]


def warnings(participants, *subjects):
    return [warning.partition(":")[0] for _, warning in participants.of_subjects(subjects).values()]


def test_participants_are_read_with_or_without_the_prefix(tmp_path):
    found = table(tmp_path, "participant_id\tage\tsex\nsub-01\t50\tF\n02\t\tM\n", "utf-8-sig")
    assert found.of_subjects(["sub-01", "sub-02"]) == {
        "sub-01": ({"age": "50", "sex": "F"}, ""),
        "sub-02": ({"age": "n/a", "sex": "M"}, ""),
    }
    with pytest.raises(UserError, match="participant_id"):
        table(tmp_path, "name\tage\nsub-01\t50\n")


def test_without_a_table_or_rows_nothing_is_known_and_nothing_warned_of(tmp_path):
    assert read_participants(tmp_path).of_subjects(["a"]) == {"a": ({}, "")}
    assert table(tmp_path, "").of_subjects(["a"]) == {"a": ({}, "")}
    assert table(tmp_path, "participant_id\tage\n").of_subjects(["a"]) == {"a": ({}, "")}


@pytest.mark.parametrize("ids", ["1 2 10", "01 02 10", "sub-1 sub-2 sub-10", "1.0 2.0 10.0", "SUB-001 2 10"])
def test_ids_may_have_lost_zeros_or_the_prefix(ids, tmp_path):
    rows = [f"{name}\t{40 + number}" for number, name in enumerate(ids.split())]
    found = table(tmp_path, "\n".join(["participant_id\tage", *rows]))
    assert ages(found, "sub-001", "sub-002", "sub-010") == ["40", "41", "42"]


def test_ids_may_have_lost_hyphens_and_subjects_need_not_be_bids(tmp_path):
    found = table(tmp_path, "Participant_ID\tage\nCC0001\t41\nsub-p7\t42\n")
    assert ages(found, "sub-CC-0001", "p7") == ["41", "42"]


def test_an_id_that_could_be_two_subjects_is_neithers(tmp_path):
    found = table(tmp_path, "participant_id\tage\n1\t41\nsub-02\t42\n")
    assert ages(found, "sub-01", "sub-001", "sub-02", "sub-2") == [None, None, "42", None]
    assert warnings(found, "sub-01", "sub-001", "sub-02") == ["participant unknown"] * 2 + [""]


def test_duplicated_ids_keep_what_their_rows_agree_on(tmp_path):
    found = table(
        tmp_path, "participant_id\tage\tsex\nsub-1\t41\tF\nsub-1\t43\tF\nsub-2\t5\tM\nsub-2\t5\tM\n"
    )
    (columns, warning), (others, nothing) = found.of_subjects(["sub-1", "sub-2"]).values()
    assert (columns, others, nothing) == ({"age": "n/a", "sex": "F"}, {"age": "5", "sex": "M"}, "")
    assert warning.startswith("participant unclear: ")


@pytest.mark.parametrize("note", ['"left', 'left"', '"', '"left-handed"', "'left"])
def test_a_quotation_mark_swallows_no_rows(note, tmp_path):
    rows = [f"sub-{number}\t{40 + number}\t{note if number == 2 else 'ok'}" for number in range(1, 5)]
    found = table(tmp_path, "\n".join(["participant_id\tage\tnote", *rows]))
    assert ages(found, "sub-1", "sub-2", "sub-3", "sub-4") == ["41", "42", "43", "44"]


def test_a_table_with_every_field_in_quotation_marks_is_read(tmp_path):
    assert ages(table(tmp_path, '"participant_id"\t"age"\n"sub-1"\t"41"\n'), "sub-1") == ["41"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_of_spreadsheets_are_read(encoding, end, tmp_path):
    text = end.join(["participant_id\tage\tsite", "sub-1\t41\tKöln", "", "sub-2\tNaN\tBonn", "\t", ""])
    found = table(tmp_path, text, encoding).of_subjects(["sub-1", "sub-2"])
    assert [columns for columns, _ in found.values()] == [
        {"age": "41", "site": "Köln"},
        {"age": "n/a", "site": "Bonn"},
    ]


def test_rows_of_one_subject_that_are_named_differently_are_compared(tmp_path):
    rows = "participant_id\tage\nsub-01\t41\n1\t43\nsub-02\t5\n02\t5\nsub-3\t6\nsub-03\t7\n"
    found = table(tmp_path, rows)
    subjects = ("sub-01", "sub-02", "sub-3", "sub-03")
    assert ages(found, *subjects) == ["41", "5", "6", "7"]
    assert warnings(found, *subjects) == ["participant unclear", "", "", ""]
    assert "sub-01 and 1" in found.of_subjects(subjects)["sub-01"][1]


def test_a_row_with_a_tab_too_many_says_nothing_for_certain(tmp_path):
    found = table(tmp_path, "participant_id\tage\tsex\nsub-1\t\t41\tF\nsub-2\t5\tM\t\n")
    assert ages(found, "sub-1", "sub-2") == ["n/a", "5"]
    assert warnings(found, "sub-1", "sub-2") == ["participant unclear", ""]


def test_columns_have_names_of_their_own(tmp_path):
    found = table(tmp_path, "participant_id\t\tage\t\nsub-1\t\t41\t\n")
    assert found.of_subjects(["sub-1"]) == {"sub-1": ({"age": "41"}, "")}
    with pytest.raises(UserError, match="two columns age"):
        table(tmp_path, "participant_id\tage\tage\nsub-1\t41\t43\n")
