"""A voice agent's client of the kind that is in wide use; prints what it makes of the emulator.

It updates the session before anything else, commits twice for an utterance, interrupts with
``clear`` alone, and neither sends nor reads a context's name: audio is for
whatever turn is current. Its argument is the URL of the WebSocket.
"""

import asyncio
import base64
import json
import sys
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect

TURNS = [
    ["Let me tell you a long story. ", "It begins in a town by the sea. ", "It never ends. "],
    ["All right. ", "What else?"],
]


class Agent:
    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.turn = 0
        self.audio_bytes = [0, 0]
        self.done = [0, 0]
        self.errors: list[object] = []
        self.kinds: set[str] = set()
        self.heard = asyncio.Event()

    async def send(self, kind: str, **fields: object) -> None:
        await self.websocket.send(json.dumps({"type": kind, **fields}))

    async def receive(self) -> None:
        async for message in self.websocket:
            event = json.loads(message)
            self.kinds.add(event["type"])
            if event["type"] == "conversation.item.audio_output.delta":
                self.audio_bytes[self.turn] += len(base64.b64decode(event["delta"]))
            elif event["type"] == "conversation.item.audio_output.done":
                self.done[self.turn] += 1
            elif event["type"] in ("conversation.item.tts.failed", "error"):
                self.errors.append(event)
            self.heard.set()

    async def say(self, texts: list[str]) -> None:
        for text in texts:
            await self.send("input_text_buffer.append", text=text)
        await self.send("input_text_buffer.commit")
        await self.send("input_text_buffer.commit")

    async def wait(self, is_enough: Callable[[], bool]) -> None:
        while not is_enough():
            self.heard.clear()
            await asyncio.wait_for(self.heard.wait(), 20)


async def main(url: str) -> None:
    url += "?model=hexgrad/Kokoro-82M&voice=af_heart"
    url += "&response_format=raw&response_encoding=pcm_s16le"
    headers = {"Authorization": "Bearer any", "x-emulate-fault": "delay-chunks=0.02"}
    async with connect(url, additional_headers=headers) as websocket:
        agent = Agent(websocket)
        await agent.send("tts_session.updated", session={"voice": "am_adam"})
        receiving = asyncio.create_task(agent.receive())
        await agent.say(TURNS[0])
        await agent.wait(lambda: agent.audio_bytes[0] > 0)
        # Somebody speaks.
        await agent.send("input_text_buffer.clear")
        agent.turn = 1
        await agent.say(TURNS[1])
        await agent.wait(lambda: sum(agent.done) == len(TURNS[0]) + len(TURNS[1]))
        receiving.cancel()
    said = {
        "audio_bytes": agent.audio_bytes,
        "done": agent.done,
        "errors": agent.errors,
        "kinds": sorted(agent.kinds),
    }
    print(json.dumps(said))  # noqa: T201


asyncio.run(main(sys.argv[1]))
