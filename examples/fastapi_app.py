"""A FastAPI application, unchanged, under treadle: treadle serve examples.fastapi_app:app"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

notes: list[str] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
    yield {"started": "yes"}


app = FastAPI(title="beside the gateway", lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float


@app.get("/")
async def index() -> dict[str, str]:
    return {"try": "/items/3, /count, /docs, POST /items"}


@app.get("/items/{number}")
def item(number: int) -> dict[str, int]:
    return {"number": number}


@app.post("/items")
async def add(item: Item, background: BackgroundTasks) -> Item:
    background.add_task(notes.append, item.name)
    return item


@app.get("/notes")
async def told() -> list[str]:
    return notes


@app.get("/count")
async def count() -> StreamingResponse:
    async def numbers() -> AsyncIterator[str]:
        for number in range(5):
            yield f"{number}\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(numbers(), media_type="text/plain")
