"""Laws of deficit round robin."""

from collections.abc import Hashable, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.fairness import QUANTUM_TOKENS, Rounds

COSTS = st.integers(1, 3000)


def open_rounds(costs: Mapping[Hashable, int]) -> Rounds:
    rounds = Rounds()
    for person, cost in costs.items():
        rounds.join(person)
        rounds.want(person, cost)
    return rounds


def serve(rounds: Rounds, costs: Mapping[Hashable, int]) -> Hashable:
    """Who is served; everybody goes on wanting what it says in `costs`."""
    person = rounds.next()
    assert person is not None
    rounds.serve(person)
    rounds.want(person, costs[person])
    return person


@given(st.lists(st.lists(COSTS, min_size=1, max_size=5), min_size=2, max_size=5), st.integers(1, 200))
def test_who_always_waits_is_served_the_same_up_to_one_cost_and_a_quantum(
    mixes: list[list[int]], num_served: int
) -> None:
    rounds = open_rounds({person: mix[0] for person, mix in enumerate(mixes)})
    served, numbers = dict.fromkeys(range(len(mixes)), 0), dict.fromkeys(range(len(mixes)), 0)
    for _ in range(num_served):
        person = rounds.next()
        assert isinstance(person, int)
        mix = mixes[person]
        served[person] += mix[numbers[person] % len(mix)]
        numbers[person] += 1
        rounds.serve(person)
        rounds.want(person, mix[numbers[person] % len(mix)])
    assert max(served.values()) - min(served.values()) <= max(map(max, mixes)) + QUANTUM_TOKENS


@given(COSTS, st.lists(COSTS, min_size=1, max_size=20), st.integers(0, 20))
def test_a_newcomer_waits_for_about_its_own_cost_from_each_of_the_others(
    own: int, others: list[int], num_before: int
) -> None:
    waiting: dict[Hashable, int] = dict(enumerate(others))
    rounds = open_rounds(waiting)
    for _ in range(num_before):
        serve(rounds, waiting)
    waiting["new"] = own
    rounds.join("new")
    rounds.want("new", own)
    before: dict[Hashable, int] = dict.fromkeys(waiting, 0)
    while (person := serve(rounds, waiting)) != "new":
        before[person] += waiting[person]
    for person, cost in enumerate(others):
        assert before[person] <= own + cost + QUANTUM_TOKENS


@given(st.integers(1, 10), st.integers(2, 5))
def test_equals_take_turns_in_order_of_arrival(num_rounds: int, num_people: int) -> None:
    costs: dict[Hashable, int] = dict.fromkeys(range(num_people), 300)
    rounds = open_rounds(costs)
    assert [serve(rounds, costs) for _ in range(num_rounds * num_people)] == list(
        range(num_people)
    ) * num_rounds


@given(st.lists(COSTS, min_size=1, max_size=5), st.integers(0, 30), st.integers(0, 30))
def test_a_copy_goes_on_like_the_original_and_leaves_it_alone(
    costs: list[int], before: int, after: int
) -> None:
    waiting: dict[Hashable, int] = dict(enumerate(costs))
    rounds = open_rounds(waiting)
    for _ in range(before):
        serve(rounds, waiting)
    copies = rounds.copy(), rounds.copy()
    foretold = [[serve(copy, waiting) for _ in range(after)] for copy in copies]
    assert foretold == [[serve(rounds, waiting) for _ in range(after)]] * 2


def test_what_was_charged_too_much_comes_back_and_the_rest_is_charged() -> None:
    costs: dict[Hashable, int] = {"ada": 1000, "bob": 1000}
    rounds = open_rounds(costs)
    assert [serve(rounds, costs) for _ in range(3)] == ["ada", "bob", "ada"]
    rounds.settle("ada", 2000)  # her answers were short
    assert [serve(rounds, costs) for _ in range(3)] == ["ada", "ada", "bob"]
    rounds.settle("ada", -3000)  # her answers were long
    assert [serve(rounds, costs) for _ in range(4)].count("bob") >= 3


def test_who_can_pay_already_waits_for_the_next_visit_and_jumps_no_round() -> None:
    rounds = open_rounds({"ada": 64, "bob": 64, "cem": 64})
    assert [serve(rounds, {"ada": 64, "bob": 64}) for _ in range(2)] == ["ada", "bob"]
    rounds.settle("ada", 640)
    assert [serve(rounds, {"ada": 64, "cem": 64}) for _ in range(3)] == ["cem", "ada", "ada"]


def test_credit_is_lost_with_the_seat_and_a_debt_when_nothing_runs() -> None:
    rounds = open_rounds({"ada": 2000, "bob": 100})
    serve(rounds, {"bob": 100})  # ada has saved some
    rounds.leave("ada")
    rounds.settle("bob", -500)
    rounds.leave("bob")
    assert rounds.num_known == 1  # the debt
    rounds.join("bob")
    rounds.want("bob", 100)
    rounds.join("ada")
    rounds.want("ada", 300)
    assert rounds.next() == "ada"
    rounds.leave("ada")
    rounds.leave("bob")
    rounds.settle("bob", 5000)
    assert rounds.num_known == 0
    rounds.settle("bob", -1)
    rounds.forget("bob")
    assert rounds.num_known == 0


@given(st.lists(st.integers(1, 60), min_size=1, max_size=50))
def test_who_is_held_up_at_a_limit_piles_up_no_credit(costs: list[int]) -> None:
    rounds = open_rounds({"ada": costs[0], "bob": 64})
    for cost in costs:
        rounds.want("ada", cost)
        while rounds.next() == "bob":
            serve(rounds, {"bob": 64})
        rounds.serve("ada")
        rounds.hold("ada")  # never a second one in a visit
        serve(rounds, {"bob": 64})
    rounds.want("ada", 1)
    num_served = 0
    while serve(rounds, {"ada": 1, "bob": 64}) == "ada":
        num_served += 1
    assert num_served <= 2 * QUANTUM_TOKENS


@settings(max_examples=50)
@given(st.integers(1, 2000))
def test_keys_that_count_no_more_do_not_pile_up(num_changes: int) -> None:
    rounds = open_rounds({"ada": 1})
    for cost in range(1, num_changes):
        rounds.want("ada", cost)
    assert len(rounds._heap) <= 70
