"""The world of the snapshots, and what a case of the table holds.

The world: a group that Olga owns, in which Max is a member, Lea joined late and Eva was removed;
Nora is in no group. Olga and Max have a chat. Who acts has a second device.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from clients.python.reducer import Json
from tests.changes import REACT
from tests.groups import (
    ADD,
    make_group,
    remove,
)
from tests.make import AnotherDevice, MakePerson, Person
from tests.uploading import make_media


@dataclass(slots=True)
class World:
    olga: Person  # owner
    max: Person  # member
    lea: Person  # joined later
    eva: Person  # ex-member
    nora: Person  # stranger
    group: str
    chat: str
    # Messages of the group by what they are.
    messages: dict[str, Json] = field(default_factory=dict)
    another_device: AnotherDevice | None = None

    @property
    def people(self) -> list[Person]:
        return [self.olga, self.max, self.lea, self.eva, self.nora]


async def make_world(person: MakePerson, another_device: AnotherDevice) -> World:
    names = ("Olga", "Max", "Lea", "Eva", "Nora")
    olga, max_, lea, eva, nora = [await person(name) for name in names]
    group = await make_group(olga, max_, eva)
    chat = await olga.open_chat(max_)
    world = World(olga, max_, lea, eva, nora, group, chat, another_device=another_device)
    said = world.messages
    said["old"] = await olga.say(group, "old")
    said["old of max"] = await max_.say(group, "old of max")
    await eva.say(group, "from eva")
    await max_.mutate(REACT, id=said["old"]["id"], emoji="👍")
    await remove(olga, group, eva)
    added = await olga.mutate(ADD, groupId=group, userIds=[lea.id])
    assert added["__typename"] == "GroupPayload", added
    said["new"] = await olga.say(group, "new", mentions=[max_.id])
    said["new of max"] = await max_.say(group, "new of max", replyToId=said["old"]["id"])
    said["of lea"] = await lea.say(group, "of lea", replyToId=said["new"]["id"])
    await lea.mutate(REACT, id=said["new"]["id"], emoji="🎉")
    said["chat"] = await olga.say(chat, "in the chat")
    said["chat of max"] = await max_.say(chat, "in the chat, of max")
    await lea.acknowledge(group, delivered=8)
    return world


# Does it, and gives the payload.
Act = Callable[[World], Awaitable[Any]]
Prepare = Callable[[World], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    mutation: str
    note: str
    # A name of the world.
    actor: str
    act: Act
    prepare: Prepare | None = None
    # What others see of one's own messages follows no event; as of the fetch.
    tells_status: bool = True
    # Other mutations that the case runs after its streams are open.
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.mutation}: {self.note}" if self.note else self.mutation


class Cases(list[Case]):
    """The cases of one file, in their order."""

    def case(
        self,
        mutation: str,
        actor: str = "olga",
        note: str = "",
        prepare: Prepare | None = None,
        tells_status: bool = True,
        also: tuple[str, ...] = (),
    ) -> Callable[[Act], Act]:
        """Add the decorated function as a case."""

        def add(act: Act) -> Act:
            self.append(Case(mutation, note, actor, act, prepare, tells_status, also))
            return act

        return add


async def picture_of(person: Person) -> str:
    """Return the id of a picture that is ready."""
    return await make_media(person.server.app._process.resources.database, person)
