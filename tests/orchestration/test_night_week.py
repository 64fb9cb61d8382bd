"""A simulated week: seven nights of the demo, three of them bad; nothing is lost in the end.

Each night starts a Ray of its own: to the studies, a head that was restarted between nights.
"""

import optuna
import pytest

from orchestration.night.lock import night_lock
from orchestration.search.study_storage import study_storage
from orchestration.study.outcomes import TrialState
from tests.support.simulated_nights import (
    EPOCHS,
    PATIENCE_S,
    STUDY,
    Nights,
    kill_all,
    kill_group,
    node_that_trains,
    small_cluster,
)
from tests.support.sweep_process import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(5400)]  # fifteen minutes on two quiet cores
KILLED, AWAY = 3, 6  # nights with a fault


@pytest.fixture(scope="module")
def week(phantom_folder, tmp_path_factory):
    """Seven nights and their exit codes."""
    nights = Nights(tmp_path_factory.mktemp("week"), phantom_folder)
    nights.start_server()
    codes = [nights.end(nights.begin()) for _ in range(2)]
    codes.append(killed_in_the_middle_of_a_trial(nights))
    codes.append(nights.end(nights.begin()))
    codes.append(loses_the_node_that_trains(nights, tmp_path_factory.mktemp("cluster")))
    nights.stop_server()
    codes.append(nights.end(nights.begin()))
    nights.start_server()
    codes.append(nights.end(nights.begin()))
    yield nights, codes
    nights.stop_server()


def killed_in_the_middle_of_a_trial(nights):
    night = nights.begin()
    wait_for(lambda: nights.trains(3), "the third trial to train", PATIENCE_S)
    kill_group(night)
    assert nights.trains(3), "it was killed too late to test anything"
    return night.returncode


def loses_the_node_that_trains(nights, folder):
    with small_cluster(folder) as (address, token, nodes):
        nights.write(address=address)
        night = nights.begin(RAY_AUTH_TOKEN_PATH=str(token))
        kill_all(
            wait_for(lambda: node_that_trains(nodes), "a trial that trains on a node", PATIENCE_S)
        )
        assert not nights.ledger().outcome(nights.ledger().records()[-1].trial_id)
        code = nights.end(night)
    nights.write()
    return code


def test_exit_codes_show_which_nights_need_attention(week):
    _, codes = week
    assert codes == [0, 0, -9, 0, 0, 1, 0]


def test_every_trial_of_the_week_is_there_once_and_complete(week):
    nights, _ = week
    records = nights.ledger().records()
    assert [record.number for record in records] == [1, 2, 3, 4, 5, 6, 7]
    outcomes = [nights.ledger().outcome(record.trial_id) for record in records]
    assert {outcome.state for outcome in outcomes} == {TrialState.COMPLETE}
    for epochs in nights.epochs().values():
        assert sorted(set(epochs)) == list(range(1, EPOCHS + 1))


def test_all_nights_continued_one_study(week):
    nights, _ = week
    study = optuna.load_study(study_name=STUDY, storage=study_storage(nights.storage / STUDY))
    states = [trial.state.name for trial in study.trials if trial.state.name != "WAITING"]
    assert states == ["COMPLETE"] * 7
    names = [record.name for record in nights.ledger().records()]
    assert len(set(names[:6])) == 6, "each known setting was tried once"
    assert names[6] == "search"


def test_mlflow_has_every_epoch_once_and_in_order(week):
    nights, _ = week
    client, (parent,), children = nights.runs()
    assert len(children) == 7
    for run in children:
        losses = client.get_metric_history(run.info.run_id, "loss")
        assert [metric.step for metric in losses] == list(range(1, EPOCHS + 1))
        assert run.data.metrics["histogram_distance_hu"] > 0
        assert run.info.status == "FINISHED"
    assert parent.data.tags["nightly"] == nights.reports()[-1].name


def test_each_report_is_compared_with_the_one_before(week):
    nights, _ = week
    reports = nights.reports()
    names = [report.name for report in reports]
    to = [None, *names[:2], names[1], *names[3:6]]  # the killed night had nothing to compare with
    assert [report.before for report in reports] == to
    assert len(list((nights.storage / "nightly").glob("20*.md"))) == 7
    good = [number for number, report in enumerate(reports, 1) if report.is_good]
    assert good == [1, 2, 4, 5, 7]


def test_the_trial_of_a_killed_night_is_finished_by_the_next(week):
    nights, _ = week
    killed, next_one = nights.reports()[KILLED - 1 : KILLED + 1]
    assert "has not ended" in killed.first_line
    assert killed.ended is None
    (study,) = next_one.studies
    assert [(trial.label[0], trial.state) for trial in study.trials] == [
        *(("3", "complete"), ("4", "complete"))
    ]


def test_records_of_the_night_without_mlflow_are_sent_by_the_next(week):
    nights, _ = week
    away, last = nights.reports()[AWAY - 1 :]
    assert away.first_line.startswith("ATTENTION: MLflow: http://127.0.0.1:")
    assert away.studies[0].n_unsent > 0
    assert last.studies[0].n_unsent == 0


def test_the_known_good_trial_scores_the_same_each_night(week):
    nights, _ = week
    rescored = [report.studies[0].rescored for report in nights.reports() if report.studies]
    assert rescored[0] is None
    for one in rescored[1:]:
        assert one.pairs
        assert not one.changed
        assert [pair.tonight.value for pair in one.pairs] == pytest.approx(
            [pair.then.value for pair in one.pairs], rel=1e-3
        )


def test_the_lock_is_released_after_the_week(week):
    nights, _ = week
    with night_lock(nights.storage / "nightly"):
        pass
