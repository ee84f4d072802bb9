"""What repeated failures mean for chunks and workers."""

from flows.pool_trust import BELIEVED, LONGEST_REST, PATIENCE, REST, Trust

TRIES = 4


class Clock:
    """A clock that stands still."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(trust: Trust, chunk: int, *workers: str) -> None:
    for worker in workers:
        trust.failed(chunk, worker, final=False)


def test_a_chunk_that_one_bad_worker_fails_again_and_again_is_kept_for_a_good_one() -> None:
    trust = Trust(TRIES)
    fail(trust, 7, *["bad"] * (TRIES + 2))
    assert not trust.gives_up(7, {"bad", "good"})
    assert trust.gives_up(7, {"bad"}), "nobody else is there"


def test_a_chunk_is_given_up_when_everybody_has_failed_at_it() -> None:
    trust = Trust(TRIES)
    fail(trust, 7, "a", "b", "a")
    assert not trust.gives_up(7, {"a", "b"}), "it has tries left"
    fail(trust, 7, "b")
    assert trust.gives_up(7, {"a", "b"})
    assert not trust.gives_up(8, {"a", "b"})


def test_a_chunk_that_enough_different_workers_failed_at_is_given_up_on_a_large_farm() -> None:
    trust = Trust(TRIES)
    fail(trust, 7, "a", "b", "c", "d")
    assert trust.gives_up(7, {f"gpu-{number}" for number in range(100)})


def test_a_worker_that_never_takes_a_chunk_does_not_keep_its_job_alive_for_ever() -> None:
    trust = Trust(TRIES)
    fail(trust, 7, *["bad"] * (TRIES * PATIENCE - 1))
    assert not trust.gives_up(7, {"bad", "dead"})
    fail(trust, 7, "bad")
    assert trust.gives_up(7, {"bad", "dead"})


def test_an_error_that_no_try_can_help_is_believed_when_a_second_worker_meets_it() -> None:
    trust = Trust(TRIES)
    trust.failed(7, "a", final=True)
    assert not trust.gives_up(7, {"a"})
    trust.failed(7, "a", final=True)
    assert not trust.gives_up(7, {"a", "b", "c"})
    assert trust.gives_up(7, {"a"}), "nobody else is there"
    trust.failed(7, "b", final=True)
    assert trust.gives_up(7, {"a", "b", "c"})


def test_an_error_that_no_try_can_help_is_believed_of_a_worker_that_takes_the_chunk_each_time() -> None:
    trust = Trust(tries=3)
    for _ in range(BELIEVED):
        assert not trust.gives_up(7, {"a", "b"})
        trust.failed(7, "a", final=True)
    assert trust.gives_up(7, {"a", "b"})


def test_a_chunk_that_came_back_is_given_out_at_once_the_first_time_and_later_each_time_after() -> None:
    trust = Trust(TRIES, Clock())
    rests = []
    for _ in range(12):
        trust.came_back(7)
        began = trust.clock.now  # type: ignore[attr-defined]
        while not trust.ready(7):
            trust.clock.now += 1  # type: ignore[attr-defined]
        rests.append(trust.clock.now - began)  # type: ignore[attr-defined]
    assert rests[:3] == [0, REST, 2 * REST]
    assert max(rests) == rests[-1] == LONGEST_REST


def test_a_worker_that_makes_nothing_rests_until_it_makes_something() -> None:
    trust = Trust(TRIES, Clock())
    trust.nothing_made("bad")
    assert trust.resting({"bad", "good"}) == 0, "once may happen to anybody"
    trust.nothing_made("bad")
    assert trust.resting({"bad", "good"}) == 1
    assert trust.resting({"good"}) == 0, "who is gone takes no place"
    trust.made("bad")
    assert trust.resting({"bad", "good"}) == 0
