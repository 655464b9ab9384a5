"""A realtime session as Together's guide shows it, written after the guide; prints it as JSON.

It appends sentences with nothing between them and commits once. Its argument is the URL of the
WebSocket.
"""

import asyncio
import base64
import hashlib
import json
import sys

from websockets.asyncio.client import ClientConnection, connect

CHUNKS = ["Hello, this is a test.", "This is the second sentence.", "And this is the final one"]


async def send_text(websocket: ClientConnection) -> None:
    for chunk in CHUNKS:
        await websocket.send(json.dumps({"type": "input_text_buffer.append", "text": chunk}))
    await websocket.send(json.dumps({"type": "input_text_buffer.commit"}))


async def main(url: str) -> None:
    received: list[str] = []
    words: list[str] = []
    audio: list[bytes] = []
    done = 0
    url += "?model=hexgrad/Kokoro-82M&voice=af_alloy&response_format=pcm&sample_rate=24000"
    headers = {"Authorization": "Bearer any"}
    async with connect(url + "&alignment=word", additional_headers=headers) as websocket:
        created = json.loads(await websocket.recv())
        assert created["type"] == "session.created", created
        sending = asyncio.create_task(send_text(websocket))
        async for message in websocket:
            event = json.loads(message)
            match event["type"]:
                case "conversation.item.input_text.received":
                    received.append(event["text"])
                case "conversation.item.audio_output.delta":
                    audio.append(base64.b64decode(event["delta"]))
                case "conversation.item.word_timestamps":
                    words += event["words"]
                case "conversation.item.audio_output.done":
                    done += 1
                    if done == len(CHUNKS):
                        break
                case "conversation.item.tts.failed" | "error":
                    raise RuntimeError(message)
        await sending
    said = {
        "session": created["session"]["id"],
        "received": received,
        "words": words,
        "audio": hashlib.sha256(b"".join(audio)).hexdigest(),
    }
    print(json.dumps(said))  # noqa: T201


asyncio.run(main(sys.argv[1]))
