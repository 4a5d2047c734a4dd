"""The cast of an annotation: its people, and who they are as reviewers say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lddu_pipe.annotation import Person
from lddu_pipe.review.identities import Identity


@dataclass(frozen=True)
class Member:
    """A person, under the id that they have in the annotation with its corrections."""

    id: str
    number: int | None
    """In the store; None for somebody of whom nothing was ever said."""
    name: str | None
    """The reviewer's, or else the model's; of people who are one, theirs together."""
    same_as: str | None
    """The id of the person who they are, too; that person's is None."""
    found: Person | None
    """As the model found them; None for somebody whom a reviewer brought in."""
    identity: Identity | None
    """What is in force of what was said of them."""


@dataclass(frozen=True)
class Cast:
    """Everybody who is in an annotation, and everybody whom reviewers put there."""

    members: Mapping[str, Member]
    """By id: those whom the model found, in its order, then the others."""
    ids: Mapping[int, str]
    """Of those of whom something was said, by number."""

    def id_of(self, number: int) -> str:
        """The id of somebody of whom something was said, also where they are not there now."""
        return self.ids.get(number, f"r{number}")

    def who(self, person: str | None) -> str | None:
        """The id of who somebody is once people who are one were made one."""
        member = self.members.get(person or "")
        return person if member is None else member.same_as or member.id

    def whose(self, said: int | None, model: str | None) -> str | None:
        """The id of whose an utterance is.

        Args:
            said: number of the person, where a reviewer says so.
            model: the person's id, as the model has it.
        """
        return self.who(model if said is None else self.ids.get(said, model))

    def name_of(self, person: str | None) -> str | None:
        """The name of somebody, where there is one."""
        member = self.members.get(self.who(person) or "")
        return None if member is None else member.name


def make_cast(
    people: Sequence[Person],
    found: Mapping[int, str],
    identities: Mapping[int, Identity],
    spoken_of: Iterable[int],
) -> Cast:
    """Put together who is there and what was said of them.

    Args:
        people: whom the model found.
        found: the ids of those among them of whom something was said, by number.
        identities: in force, by the person's number.
        spoken_of: the numbers of those to whom corrections in force give an utterance. Whoever the
            model did not find is there for as long as they have one, or are said to be the same
            as somebody who is there.
    """
    numbers = {person: number for number, person in found.items()}
    there = {*found, *spoken_of}
    roots = _roots(identities)
    # Whoever somebody is said to be has to be there, too.
    there |= {roots[number] for number in there if number in roots}
    ids = {**found, **_new_ids(sorted(there - found.keys()), {person.id for person in people})}
    everybody: dict[str, Person | None] = {person.id: person for person in people}
    everybody |= {ids[number]: None for number in sorted(there - found.keys())}
    numbers |= {person: number for number, person in ids.items()}
    groups: dict[str, list[str]] = {}
    for person in everybody:
        number = numbers.get(person)
        root = None if number is None else roots.get(number)
        groups.setdefault(person if root is None else ids[root], []).append(person)
    members: dict[str, Member] = {}
    for root_id, group in groups.items():
        # Who was found keeps the id: an annotation that was made anew has others.
        order = sorted(group, key=lambda each: (everybody[each] is None, each != root_id))
        said = {each: identities.get(numbers.get(each, -1)) for each in order}
        name = next(_names(order, everybody, said), None)
        for each in group:
            same_as = None if each == order[0] else order[0]
            members[each] = Member(
                each, numbers.get(each), name, same_as, everybody[each], said[each]
            )
    return Cast({person: members[person] for person in everybody}, ids)


def closes_a_circle(person: int, same_as: int, identities: Mapping[int, Identity]) -> bool:
    """Whether somebody would be said to be a person who is said to be them.

    Args:
        person: number of the first.
        same_as: number of the second.
        identities: in force, by the person's number.
    """
    others = {number: item for number, item in identities.items() if number != person}
    return same_as == person or _roots(others).get(same_as) == person


def _names(
    order: Sequence[str],
    everybody: Mapping[str, Person | None],
    said: Mapping[str, Identity | None],
) -> Iterator[str]:
    for each in order:
        identity, person = said[each], everybody[each]
        if identity is not None and identity.said.name is not None:
            yield identity.said.name
        elif person is not None and person.name is not None:
            yield person.name


def _roots(identities: Mapping[int, Identity]) -> dict[int, int]:
    """Of those who are somebody else, the number of the person who all of these are.

    Two reviewers at once, or one who takes something back, may close a circle; what was said last
    of it then does not count.
    """
    onward: dict[int, int] = {}

    def end_of(number: int) -> int:
        while number in onward:
            number = onward[number]
        return number

    for identity in sorted(identities.values(), key=lambda item: item.number):
        other = identity.said.same_as
        if other is not None and end_of(other) != identity.person:
            onward[identity.person] = other
    return {number: end_of(number) for number in onward}


def _new_ids(numbers: Iterable[int], taken: set[str]) -> dict[int, str]:
    """Ids of those whom the model did not find, by number: ``r7``, or longer where one has it."""
    ids: dict[int, str] = {}
    for number in numbers:
        name = f"r{number}"
        while name in taken:
            name = f"r{name}"
        ids[number] = name
        taken.add(name)
    return ids
