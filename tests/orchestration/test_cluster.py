from orchestration.cluster import plan_slots


def test_without_gpus_two_trials_share_the_cores():
    slots = plan_slots(2, 0)
    assert (slots.n_concurrent, slots.trial_cpus, slots.trial_gpus) == (2, 1, 0)


def test_one_core_runs_one_trial_at_a_time():
    assert plan_slots(1, 0).n_concurrent == 1


def test_a_single_gpu_is_shared_with_the_evaluator():
    slots = plan_slots(16, 1)
    assert slots.n_concurrent == 1
    assert slots.trial_gpus + slots.evaluator_gpus == 1


def test_one_of_several_gpus_belongs_to_the_evaluator():
    slots = plan_slots(64, 8)
    assert (slots.n_concurrent, slots.trial_gpus, slots.evaluator_gpus) == (7, 1, 1)
