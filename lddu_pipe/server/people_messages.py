"""What goes over the wire about who the people of an annotation are."""

from __future__ import annotations

from pydantic import Field

from lddu_pipe.review.cast import Cast, Member
from lddu_pipe.review.corrected import Part
from lddu_pipe.review.identities import Identity
from lddu_pipe.review.people import People
from lddu_pipe.review.verdicts import LONGEST_COMMENT, LONGEST_NAME
from lddu_pipe.server.messages import LONGEST_ID, Example, Message

LIKENESS_EXAMPLE: Example = {
    "person": "p3",
    "name": None,
    "same_as": "p1",
    "comment": "the same coat",
    "reviewer": "Ana",
    "replaces": None,
    "annotated": None,
}
IDENTITY_EXAMPLE: Example = {
    "number": 4,
    "person": "p3",
    "name": None,
    "same_as": "p1",
    "comment": "the same coat",
    "reviewer": "Ana",
    "created": "2026-01-01T12:10:00.000+00:00",
    "undone": None,
}
PEOPLE_EXAMPLES: dict[str, Example] = {
    "IdentityMessage": IDENTITY_EXAMPLE,
    "LikenessMessage": LIKENESS_EXAMPLE,
    "PersonMessage": {
        "id": "p1",
        "found": True,
        "name": "Ben",
        "same_as": None,
        "seconds_visible": 41.2,
        "seconds_speaking": 12.75,
        "utterances": 9,
        "overlapping": 0,
        "in_force": {**IDENTITY_EXAMPLE, "number": 3, "person": "p1"}
        | {"name": "Ben", "same_as": None, "comment": ""},
    },
}
"""By the name of the message."""


class LikenessMessage(Message):
    """What a reviewer says of a person: a name, or that they are somebody else, too."""

    person: str = Field(min_length=1, max_length=LONGEST_ID, description="Id of who is meant.")
    name: str | None = Field(
        None,
        max_length=LONGEST_NAME,
        description="Plain text on one line; null or blank leaves it as the model has it.",
    )
    same_as: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_ID,
        description="Id of the person who they are, too; null: nobody but themselves.",
    )
    comment: str = Field("", max_length=LONGEST_COMMENT)
    reviewer: str = Field(pattern=r"\S", max_length=LONGEST_NAME, description="A name.")
    replaces: int | None = Field(
        None,
        ge=1,
        lt=2**63,
        description="Number of what the reviewer saw in force of that person, if there was any.",
    )
    annotated: str | None = Field(
        None,
        max_length=100,
        description="`provenance.created` of the annotation that the reviewer saw: where it was "
        "made anew since, nothing is changed.",
    )


class IdentityMessage(Message):
    """What a reviewer said of a person."""

    number: int = Field(description="Counts up; a later one is of a later moment.")
    person: str = Field(description="Id of who is meant.")
    name: str | None = Field(description="Null: as the model has it.")
    same_as: str | None = Field(description="Id of the person who they are, too.")
    comment: str
    reviewer: str
    created: str
    undone: str | None = Field(description="When it was taken back.")

    @classmethod
    def of(cls, identity: Identity, cast: Cast) -> IdentityMessage:
        """The message about what was said of one of a cast."""
        said = identity.said
        return cls(
            number=identity.number,
            person=cast.id_of(identity.person),
            name=said.name,
            same_as=None if said.same_as is None else cast.id_of(said.same_as),
            comment=said.comment,
            reviewer=said.reviewer,
            created=identity.created,
            undone=identity.undone,
        )


class PersonMessage(Message):
    """Somebody who is seen or heard."""

    id: str = Field(description="Of a person whom a reviewer brought in, `r` and a number.")
    found: bool = Field(description="By the model; else a reviewer brought them in.")
    name: str | None = Field(description="The reviewer's, or else the model's.")
    same_as: str | None = Field(
        description="Id of the person who they are, too: what follows is told of that one."
    )
    seconds_visible: float = Field(ge=0)
    seconds_speaking: float = Field(ge=0)
    utterances: int = Field(ge=0)
    overlapping: int = Field(
        ge=0, description="Utterances that begin before another of the same person has ended."
    )
    in_force: IdentityMessage | None = Field(description="What was said of them.")

    @classmethod
    def of(cls, member: Member, part: Part, cast: Cast) -> PersonMessage:
        """The message about one of a cast.

        Args:
            member: who.
            part: how much is theirs.
            cast: everybody.
        """
        return cls(
            id=member.id,
            found=member.found is not None,
            name=member.name,
            same_as=member.same_as,
            seconds_visible=part.seconds_visible,
            seconds_speaking=part.seconds_speaking,
            utterances=part.utterances,
            overlapping=part.overlapping,
            in_force=None
            if member.identity is None
            else IdentityMessage.of(member.identity, cast),
        )


class PeopleMessage(Message):
    """Everybody in an annotation."""

    people: list[PersonMessage] = Field(description="Those whom the model found come first.")
    history: list[IdentityMessage] = Field(description="All that was said, the newest first.")

    @classmethod
    def of(cls, found: People) -> PeopleMessage:
        """The message about the people of an annotation."""
        return cls(
            people=[
                PersonMessage.of(member, found.parts.get(member.id, Part()), found.cast)
                for member in found.cast.members.values()
            ],
            history=[IdentityMessage.of(each, found.cast) for each in found.history],
        )


class UndoneIdentityMessage(Message):
    """What holds of a person once something that was said was taken back."""

    in_force: IdentityMessage | None
