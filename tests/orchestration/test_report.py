from orchestration.report import pareto_front


def test_a_point_that_is_beaten_in_both_is_not_optimal():
    assert pareto_front([(10.0, 0.8), (20.0, 0.7)]) == [True, False]


def test_points_that_trade_one_objective_for_the_other_are_both_optimal():
    assert pareto_front([(10.0, 0.7), (20.0, 0.8), (15.0, 0.6)]) == [True, True, False]


def test_equal_points_are_both_optimal():
    assert pareto_front([(10.0, 0.7), (10.0, 0.7)]) == [True, True]


def test_one_point_is_optimal():
    assert pareto_front([(10.0, 0.7)]) == [True]
