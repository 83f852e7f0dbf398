"""The race decides right, and the same, whatever the batches, the order of answers or an interruption."""

import numpy as np
import pytest

from sizewise.errors import ConfigError, DataError
from sizewise.race import Race, RaceCandidate, RaceItem
from sizewise.records import Goal, TrialKey

MEANS = (0.45, 0.62, 0.71, 0.72)


def table(items: int = 400, seed: int = 0) -> np.ndarray:
    """Binary scores of four candidates whose items share a difficulty."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(size=items)
    return np.array([(ease + rng.normal(size=items) < np.sqrt(2) * _quantile(m)).astype(float) for m in MEANS])


def _quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))


def new_race(items: int = 400, seed: int = 3, goal: Goal | None = None, **options: int) -> Race:
    names = [RaceCandidate(name=f"m{m}", cost=4.0**m) for m in range(len(MEANS))]
    return Race(
        names,
        [RaceItem(id=f"i{i}") for i in range(items)],
        goal or Goal(margin=0.05, alpha_overpay=0.05),
        seed,
        **options,
    )


def score(scores: np.ndarray, key: TrialKey) -> float:
    return float(scores[int(key.candidate[1:]), int(key.sample[1:])])


def play(race: Race, scores: np.ndarray, batch: int, shuffle: np.random.Generator | None = None) -> list[TrialKey]:
    """Run to the end; with `shuffle`, answers come back late and in random order."""
    asked: list[TrialKey] = []
    waiting: list[TrialKey] = []
    while True:
        keys = race.ask(batch)
        asked += keys
        waiting += keys
        if not waiting:
            return asked
        if shuffle is None:
            done, waiting = waiting, []
        else:
            shuffle.shuffle(waiting)
            half = max(1, len(waiting) // 2)
            done, waiting = waiting[:half], waiting[half:]
        for key in done:
            race.tell(key, score(scores, key))


def test_the_cheapest_within_the_margin_is_chosen_but_for_the_allowed_errors() -> None:
    wrong = 0
    for seed in range(20):
        scores = table(seed=seed)
        race = new_race(seed=seed)
        play(race, scores, 64)
        means = scores.mean(axis=1)
        right = int(np.flatnonzero(means >= means.max() - 0.05)[0])
        state = race.state()
        assert state.used < state.full_grid
        wrong += state.chosen != f"m{right}"
        if state.chosen == f"m{right}":
            assert {d.candidate for d in state.dropped} >= {f"m{m}" for m in range(right)}
    assert wrong <= 3


def test_a_lead_of_exactly_the_margin_is_good_enough() -> None:
    items = [RaceItem(id=f"i{i}") for i in range(100)]
    race = Race([RaceCandidate(name="m0", cost=1), RaceCandidate(name="m1", cost=2)], items, Goal(margin=0.03), 0)
    scores = np.ones((2, 100))
    scores[0, :3] = 0
    play(race, scores, 16)
    assert race.state().chosen == "m0"


def test_equal_candidates_are_settled_for_the_cheapest() -> None:
    race = new_race()
    play(race, np.tile(table()[0], (4, 1)), 16)
    assert race.state().chosen == "m0"


@pytest.mark.parametrize("batch", [1, 2, 7, 16, 64, 1000])
def test_batch_size_and_order_of_answers_do_not_change_the_decision(batch: int) -> None:
    scores = table(seed=5)
    plain = new_race()
    play(plain, scores, 1)
    late = new_race()
    play(late, scores, batch, np.random.default_rng(batch))
    assert (late.state().chosen, late.state().used, late.state().dropped) == (
        plain.state().chosen,
        plain.state().used,
        plain.state().dropped,
    )


def test_a_replay_after_a_stop_ends_where_the_undisturbed_race_ends() -> None:
    scores = table(seed=7)
    whole = new_race()
    play(whole, scores, 8)
    first = new_race()
    stored = [key for _ in range(9) for key in first.ask(8)][:50]
    again = new_race()
    again.replay((key, score(scores, key)) for key in reversed(stored))
    asked = play(again, scores, 8)
    assert not set(asked) & set(stored)
    assert again.state().chosen == whole.state().chosen
    assert again.state().used == whole.state().used


def test_no_key_is_asked_twice_and_duplicates_are_ignored() -> None:
    scores = table()
    race = new_race()
    asked = play(race, scores, 5)
    assert len(asked) == len(set(asked))
    before = race.state()
    race.tell(asked[0], 1.0 - score(scores, asked[0]))
    assert race.state() == before


def test_the_order_of_the_items_in_the_file_does_not_matter() -> None:
    names = [RaceCandidate(name="a", cost=1), RaceCandidate(name="b", cost=2)]
    items = [RaceItem(id=str(i), cluster=str(i // 3)) for i in range(30)]
    assert Race(names, items, Goal(), 1).ask(60) == Race(names, items[::-1], Goal(), 1).ask(60)


def test_keys_come_candidate_by_candidate_with_the_loaded_one_first() -> None:
    keys = new_race().ask(30, resident="m2")
    assert [k.candidate for k in keys] == ["m2"] * 15 + ["m0"] * 15


def test_repeats_are_asked_together_and_averaged() -> None:
    race = new_race(repeats=3)
    rng = np.random.default_rng(0)
    while keys := race.ask(48):
        for key in keys:
            race.tell(key, float(rng.random() < MEANS[int(key.candidate[1:])]))
    assert race.state().chosen in {"m2", "m3"}
    assert race.state().full_grid == 4 * 400 * 3


def test_few_failed_calls_are_survived_and_a_dead_candidate_is_dropped() -> None:
    scores = table(1500)
    race = new_race(1500, goal=Goal(margin=0.1))
    rng = np.random.default_rng(2)
    while keys := race.ask(32):
        for key in keys:
            dead = key.candidate == "m1"
            race.tell(key, None if dead or rng.random() < 0.01 else score(scores, key))
    state = race.state()
    assert state.chosen == "m2"
    assert "cannot be judged" in next(d.reason for d in state.dropped if d.candidate == "m1")


def test_a_floor_that_nobody_reaches_ends_without_a_choice() -> None:
    scores = table(1000)
    race = new_race(1000, goal=Goal(margin=0.05, min_score=0.9))
    play(race, scores, 32)
    assert race.state().chosen is None
    assert all("below the floor" in d.reason or "leads" in d.reason for d in race.state().dropped)
    assert race.state().used < 4000


def test_for_future_items_few_items_stay_undecided() -> None:
    race = new_race(60, goal=Goal(margin=0.01, certificate="future"))
    play(race, table(60), 16)
    assert race.finished
    assert race.state().chosen is None


@pytest.mark.parametrize("items", [1, 2, 5, 14])
def test_fewer_items_than_the_pilot_are_all_read_and_the_answer_is_exact(items: int) -> None:
    scores = table(items, seed=items)
    race = new_race(items)
    play(race, scores, 4)
    means = scores.mean(axis=1)
    assert race.state().chosen == f"m{int(np.flatnonzero(means >= means.max() - 0.05 - 1e-9)[0])}"


def test_all_equal_scores_choose_the_cheapest() -> None:
    race = new_race(300)
    play(race, np.ones((4, 300)), 16)
    assert race.state().chosen == "m0"
    assert race.state().used < race.state().full_grid


def test_one_candidate_is_chosen_after_its_pilot() -> None:
    race = Race([RaceCandidate(name="m0", cost=1)], [RaceItem(id=f"i{i}") for i in range(100)], Goal(), 0)
    play(race, table(100), 8)
    assert (race.state().chosen, race.state().used) == ("m0", 15)


def test_everything_failed_ends_without_a_choice() -> None:
    race = new_race(100)
    while keys := race.ask(50):
        for key in keys:
            race.tell(key, None)
    assert race.state().chosen is None
    assert len(race.state().dropped) == 4


@pytest.mark.parametrize(
    ("names", "ids", "goal", "words"),
    [
        ([], ["a"], Goal(), "no candidates"),
        (["m", "m"], ["a"], Goal(), "entered twice"),
        (["m"], [], Goal(), "no items"),
        (["m"], ["a", "a"], Goal(), "there twice"),
        (["m"], ["a"], Goal(margin=1.5), "margin is 1.5"),
        (["m"], ["a"], Goal(alpha_safe=0.0), "alpha_safe is 0.0"),
        (["m"], ["a"], Goal(min_score=7.0), "min_score is 7.0"),
        (["m"], ["a"], Goal(certificate="sure"), "certificate is 'sure'"),
    ],
)
def test_wrong_questions_are_refused(names: list[str], ids: list[str], goal: Goal, words: str) -> None:
    with pytest.raises((ConfigError, DataError), match=words):
        Race([RaceCandidate(name=n, cost=1) for n in names], [RaceItem(id=i) for i in ids], goal, 0)


def test_wrong_scores_are_refused() -> None:
    race = new_race()
    with pytest.raises(DataError, match="outside"):
        race.tell(TrialKey(candidate="m0", sample="i0"), 1.2)
    with pytest.raises(DataError, match="outside"):
        race.tell(TrialKey(candidate="m0", sample="i0"), float("nan"))
    with pytest.raises(DataError, match="not in this race"):
        race.tell(TrialKey(candidate="m9", sample="i0"), 1.0)
