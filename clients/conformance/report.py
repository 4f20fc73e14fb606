"""Runs scenarios one after the other, and tells what came of each."""

import inspect
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from clients.conformance.driver import Misbehaved
from clients.conformance.scenarios import Scenario
from clients.conformance.world import WITHIN_S, Different, StartDriver, Target, make_world

# Of a picture that is quite another one, no more than so many sentences are told.
SENTENCES = 10


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    # What the scenario is about.
    about: str
    seconds: float
    # One sentence for each thing that is wrong; none: it passed.
    found: list[str]

    @property
    def lines(self) -> list[str]:
        verdict = "FAILED" if self.found else "passed"
        head = f"{verdict}  {self.name:<20} {self.seconds:5.1f} s  {self.about}"
        more = len(self.found) - SENTENCES
        tail = [f"        … and {more} more"] if more > 0 else []
        return [head, *(f"        {each}" for each in self.found[:SENTENCES]), *tail]


async def run_scenarios(
    scenarios: Iterable[Scenario],
    target: Target,
    start_driver: StartDriver,
    tell: Callable[[str], None],
    within_s: float = WITHIN_S,
) -> list[Result]:
    """Return a result for each; `tell` gets its lines as soon as they are known."""
    results = []
    for scenario in scenarios:
        results.append(await _run(scenario, target, start_driver, within_s))
        for line in results[-1].lines:
            tell(line)
    return results


async def _run(
    scenario: Scenario, target: Target, start_driver: StartDriver, within_s: float
) -> Result:
    began = time.monotonic()
    found: list[str] = []
    async with make_world(target, start_driver, within_s) as world:
        try:
            await scenario(world)
        except Different as different:
            found = different.found
        except Misbehaved as misbehaved:
            found = [str(misbehaved)]
    name, about = name_of(scenario), inspect.getdoc(scenario) or ""
    return Result(name, " ".join(about.split()), time.monotonic() - began, found)


def name_of(scenario: Scenario) -> str:
    name: str = scenario.__name__
    return name
