"""A journal that a network file system damaged is mended, or its damaged line is named."""

import optuna
import pytest

from ldm.errors import InputError
from orchestration.search.searcher import DIRECTIONS
from orchestration.search.study_storage import study_storage
from orchestration.study.journal import JOURNAL_FILE, mend_journal
from tests.support.command_line import refusal_here
from tests.support.sweep_process import STUDY


@pytest.fixture
def journal(tmp_path):
    """The journal of a study with three complete trials."""
    study = optuna.create_study(
        study_name=tmp_path.name, storage=study_storage(tmp_path), directions=DIRECTIONS
    )
    for number in range(3):
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        study.tell(trial, [float(number), 0.5])
    return tmp_path / JOURNAL_FILE


def trials_in(journal):
    study = optuna.load_study(study_name=journal.parent.name, storage=study_storage(journal.parent))
    return [(trial.state.name, trial.params, trial.values) for trial in study.trials]


def glue(lines):
    lines[4:6] = [lines[4] + lines[5]]
    return b"\n".join(lines) + b"\n"


def blank(lines):
    return b"\n".join([*lines[:3], b"", b"  ", *lines[3:]]) + b"\n"


def end_with(torn):
    return lambda lines: b"\n".join(lines) + b"\n" + torn


MENDABLE = [
    pytest.param(glue, "line 5 had 2 records", id="glued"),
    pytest.param(blank, "line 4 was blank, line 5 was blank", id="blank"),
    pytest.param(b"\n".join, "the last line was not ended", id="no newline"),
    pytest.param(end_with(b'{"op_code": 6, "wor'), "the last line was incomplete", id="torn"),
    pytest.param(end_with(b"\0" * 80), "the last line was incomplete", id="NUL at the end"),
    pytest.param(end_with(b"\0" * 80 + b"\n"), "had only NUL bytes", id="NUL line at the end"),
]


@pytest.mark.parametrize(("damage", "said"), MENDABLE)
def test_damage_that_lost_no_record_is_mended_said_and_kept(journal, damage, said):
    before, trials = journal.read_bytes(), trials_in(journal)
    damaged = damage(before.splitlines())
    journal.write_bytes(damaged)
    note = mend_journal(journal.parent)
    assert said in note
    assert note.startswith(f"mended {journal}: ")
    assert note.endswith("the file as it was is optuna.journal.damaged-1")
    assert (journal.parent / "optuna.journal.damaged-1").read_bytes() == damaged
    assert journal.read_bytes() == before
    assert trials_in(journal) == trials
    assert mend_journal(journal.parent) == "", "a sound journal is left alone"


def put_in(line):
    return lambda lines: b"\n".join([*lines[:3], line, *lines[4:]]) + b"\n"


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        (b"\0" * 80, "line 4 has only NUL bytes"),
        (b'{"op_code": 6, "wor', 'line 4 is b\'{"op_code": 6'),
        (b'{"op_code": 6, "wor{"op_code": 4}', "line 4 is"),
        (b"\xff\xfe", "line 4 is"),
        (b"[1, 2]", "line 4 is"),
        (b'{"a": 1}', "line 4 is"),
    ],
)
def test_a_line_that_lost_a_record_is_named_with_what_to_do(journal, line, seen):
    damaged = put_in(line)(journal.read_bytes().splitlines())
    journal.write_bytes(damaged)
    with pytest.raises(InputError) as error:
        mend_journal(journal.parent)
    assert str(error.value).startswith(f"{journal}: each line must be a record of Optuna, {seen}")
    assert "restore the file from a backup, or rename it" in str(error.value)
    assert journal.read_bytes() == damaged


def test_a_sweep_refuses_a_damaged_journal_before_ray_starts(phantom_folder, tmp_path):
    (tmp_path / STUDY).mkdir()
    (tmp_path / STUDY / JOURNAL_FILE).write_bytes(b"\0\0\n{}\n")
    error = refusal_here("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path)
    assert "line 1 has only NUL bytes" in error


def test_damage_that_appears_while_optuna_reads_is_named_too(journal):
    journal.write_bytes(put_in(b"")(journal.read_bytes().splitlines()))
    with pytest.raises(InputError, match="line 4 is damaged"):
        trials_in(journal)


def test_a_lock_that_a_killed_sweep_left_does_not_make_optuna_wait(journal):
    """After the storage was moved, its link leads nowhere, and Optuna would wait for ever."""
    lock = journal.with_name("optuna.journal.lock")
    lock.symlink_to("/moved/away/optuna.journal")
    assert mend_journal(journal.parent) == ""
    assert not lock.is_symlink()


def test_a_study_without_a_journal_has_nothing_to_mend(tmp_path):
    assert mend_journal(tmp_path) == ""
