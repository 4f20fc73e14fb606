"""The naive peer: the same chat as tutorials write it, with Strawberry, Starlette, SQLModel and
broadcaster.

No caches, no batches, one ORM session a request, one execution an event and subscriber. It has no
receipts, blocks or repeated sends to care for. Run by `uvicorn bench.peers.naive:app`.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import strawberry
from broadcaster import Broadcast, Event
from sqlalchemy import BigInteger, Column, DateTime, Identity
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import QueryableAttribute, selectinload
from sqlmodel import Field, Relationship, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader

from bench.peers.seed import user_of

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"),
    pool_size=8,
    max_overflow=0,
)
Session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
broadcast = Broadcast(os.environ["REDIS_URL"])


class Users(SQLModel, table=True):
    __tablename__ = "users"
    __table_args__ = {"schema": "chat"}
    id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    name: str


class Channel(SQLModel, table=True):
    __tablename__ = "channel"
    __table_args__ = {"schema": "chat"}
    id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    last_seq: int = Field(sa_type=BigInteger)


class Member(SQLModel, table=True):
    __tablename__ = "member"
    __table_args__ = {"schema": "chat"}
    channel_id: int = Field(sa_type=BigInteger, primary_key=True)
    user_id: int = Field(sa_type=BigInteger, primary_key=True)
    delivered_seq: int = Field(sa_type=BigInteger)
    read_seq: int = Field(sa_type=BigInteger)


class Message(SQLModel, table=True):
    __tablename__ = "message"
    __table_args__ = {"schema": "chat"}
    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    channel_id: int = Field(sa_type=BigInteger)
    seq: int = Field(sa_type=BigInteger)
    sender_id: int = Field(sa_type=BigInteger, foreign_key="chat.users.id")
    text: str
    sent_at: datetime = Field(sa_type=DateTime(timezone=True))
    sender: Users = Relationship()


@strawberry.type
class User:
    id: strawberry.ID
    name: str


@strawberry.type(name="Message")
class MessageType:
    id: strawberry.ID
    channel_id: strawberry.ID
    seq: int
    text: str
    sent_at: str
    sender: User

    @strawberry.field
    async def state(self, info: strawberry.Info) -> str:
        members = await info.context["members"].load(int(self.channel_id))
        others = [member for member in members if str(member.user_id) != self.sender.id]
        if all(member.read_seq >= self.seq for member in others):
            return "READ"
        if all(member.delivered_seq >= self.seq for member in others):
            return "DELIVERED"
        return "SENT"


def shown(message: Message) -> MessageType:
    return MessageType(
        id=strawberry.ID(str(message.id)),
        channel_id=strawberry.ID(str(message.channel_id)),
        seq=message.seq,
        text=message.text,
        sent_at=message.sent_at.isoformat(),
        sender=User(id=strawberry.ID(str(message.sender.id)), name=message.sender.name),
    )


async def load_members(channel_ids: list[int]) -> Sequence[list[Member]]:
    async with Session() as session:
        rows = await session.exec(select(Member).where(col(Member.channel_id).in_(channel_ids)))
        members = rows.all()
    return [[each for each in members if each.channel_id == key] for key in channel_ids]


def viewer_of(info: strawberry.Info) -> int:
    user_id: int | None = info.context["user_id"]
    if user_id is None:
        raise Exception("unauthenticated")
    return user_id


@strawberry.type
class Query:
    @strawberry.field
    async def messages(
        self,
        info: strawberry.Info,
        channel_id: strawberry.ID,
        last: int = 50,
        before_seq: int | None = None,
    ) -> list[MessageType]:
        async with Session() as session:
            if not await session.get(Member, (int(channel_id), viewer_of(info))):
                raise Exception("forbidden")
            query = (
                select(Message)
                .where(Message.channel_id == int(channel_id))
                .options(selectinload(cast(QueryableAttribute[Users], Message.sender)))
                .order_by(col(Message.seq).desc())
                .limit(last)
            )
            if before_seq:
                query = query.where(Message.seq < before_seq)
            return [shown(message) for message in (await session.exec(query)).all()]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def send_message(
        self, info: strawberry.Info, channel_id: strawberry.ID, text: str
    ) -> MessageType:
        user_id = viewer_of(info)
        async with Session() as session:
            if not await session.get(Member, (int(channel_id), user_id)):
                raise Exception("forbidden")
            rows = await session.exec(
                select(Channel).where(Channel.id == int(channel_id)).with_for_update()
            )
            channel = rows.one()
            channel.last_seq += 1
            message = Message(
                channel_id=channel.id,
                seq=channel.last_seq,
                sender_id=user_id,
                text=text,
                sent_at=datetime.now(UTC),
            )
            session.add(message)
            await session.commit()
            message.sender = await session.get_one(Users, user_id)
            stored = shown(message)
        event = {
            "id": stored.id,
            "channel_id": stored.channel_id,
            "seq": stored.seq,
            "text": stored.text,
            "sent_at": stored.sent_at,
            "sender": {"id": stored.sender.id, "name": stored.sender.name},
        }
        await broadcast.publish(channel=f"channel.{channel_id}", message=json.dumps(event))
        return stored


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def message_added(
        self, info: strawberry.Info, channel_id: strawberry.ID
    ) -> AsyncGenerator[MessageType, None]:
        parameters = info.context.get("connection_params") or {}
        if user_of(parameters.get("authorization")) is None:
            raise Exception("unauthenticated")
        async with broadcast.subscribe(channel=f"channel.{channel_id}") as subscriber:
            # Its own annotation is wrong: it declares that iterating may give None.
            async for event in cast(AsyncIterable[Event], subscriber):
                fields = json.loads(event.message)
                yield MessageType(**{**fields, "sender": User(**fields["sender"])})


class App(GraphQL[dict[str, Any], None]):
    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> dict[str, Any]:
        return {
            "request": request,
            "response": response,
            "user_id": user_of(request.headers.get("authorization")),
            "members": DataLoader(load_members),
        }


graphql = App(strawberry.Schema(Query, Mutation, Subscription))


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    await broadcast.connect()
    # broadcaster 0.3.1 never begins to listen where only one topic is ever subscribed to: its ready
    # event is cleared before the first SUBSCRIBE went out. Two standing topics get around it.
    async with broadcast.subscribe("standing.1"):
        await asyncio.sleep(0.2)
        async with broadcast.subscribe("standing.2"):
            yield
    await broadcast.disconnect()


app = Starlette(
    lifespan=lifespan,
    routes=[Route("/graphql", graphql), WebSocketRoute("/graphql", graphql)],
)
